import assert from "node:assert/strict";
import { translateOriginal } from "./original_options.ts";

const CASES: [string[], string | undefined][] = [
  [
    ["-rof", "/usr/bin/echo", "-ro", "/lib", "/tmp/filed-jobs"],
    "filed --sandbox --exec /usr/bin/echo --exec /lib /tmp/filed-jobs",
  ],
  [
    ["-rw", "/srv/out", "-rwf=/srv/log", "/jobs"],
    "filed --sandbox --rw /srv/out --exec /srv/out --rw /srv/log --exec /srv/log /jobs",
  ],
  [["--sandbox", "-ro", "/lib", "/jobs"], "filed --sandbox --exec /lib /jobs"],
  [["-ro", "/it's here", "/jobs"], "filed --sandbox --exec '/it'\\''s here' /jobs"],
  [["-ro=", "/jobs"], "filed --sandbox --exec '' /jobs"],
  [["/jobs", "-ro"], "filed --sandbox /jobs --exec PATH"],
  [["-ro", "/lib", "--", "-rw"], "filed --sandbox --exec /lib -- -rw"],
  [["--", "-ro"], undefined],
  [["--ro", "/lib", "/jobs"], undefined],
  [["-o", "allow_other", "/jobs"], undefined],
];
for (const [args, line] of CASES) {
  Deno.test(`translateOriginal() of ${args.join(" ")}`, () => assert.equal(translateOriginal(args), line));
}
