/** Changing the settings. */
import assert from "node:assert/strict";
import { holds, type Trial, tryAll } from "./trials.ts";
import { typing } from "./typing.ts";
import { DEFAULTS } from "../default_settings.ts";

/** A script that sets `timeout_sec` to a number of its own. */
let nextTimeoutSec = 100;
function sets(name: string, script: (sec: number) => string, ...needs: string[]): Trial {
  const sec = nextTimeoutSec++;
  return holds(
    `${name} changes the settings`,
    (queue) =>
      alone(async () => {
        await queue.ok(script(sec));
        assert.deepEqual(JSON.parse(await queue.ok('cat "$M/config.json"')), {
          ...DEFAULTS,
          timeout_sec: sec,
        });
      }),
    ...name.split(" "),
    ...needs,
  );
}

/** A script that can't change them. */
function failsToSet(name: string, script: string, message: RegExp): Trial {
  return holds(`${name} leaves the settings as they are`, (queue) =>
    alone(async () => {
      const before = await queue.ok('cat "$M/config.json"');
      const { status, stderr } = await queue.sh(script);
      assert.notEqual(status, 0);
      assert.match(stderr, message);
      assert.equal(await queue.ok('cat "$M/config.json"'), before);
    }), ...name.split(" "));
}

/** There is one file of settings: its trials take turns. */
let turn: Promise<unknown> = Promise.resolve();
function alone(act: () => Promise<void>): Promise<void> {
  const acted = turn.then(act);
  turn = acted.catch(() => {});
  return acted;
}

tryAll("settings", [
  sets("sh echo", (sec) => `echo '{"timeout_sec": ${sec}}' > "$M/config.json"`),
  sets("sh printf", (sec) => `printf '{"timeout_sec": %d}' ${sec} > "$M/config.json"`),
  sets(
    "jq and sponge",
    (sec) => `jq .timeout_sec=${sec} "$M/config.json" | sponge "$M/config.json"`,
    "jq",
    "sponge",
  ),
  sets(
    "jq and cp",
    (sec) => `jq .timeout_sec=${sec} "$M/config.json" > new && cp new "$M/config.json"`,
    "jq",
  ),
  sets("tee", (sec) => `echo '{"timeout_sec": ${sec}}' | tee "$M/config.json" > said`),
  sets("dd", (sec) => `echo '{"timeout_sec": ${sec}}' | dd of="$M/config.json" bs=4 status=none`),
  sets("python3 json.dump", (sec) =>
    `python3 -c '
import json, sys
with open(sys.argv[1], "r+") as file:
    settings = json.load(file)
    settings["timeout_sec"] = ${sec}
    file.seek(0)
    json.dump(settings, file, indent=2)
    file.truncate()
' "$M/config.json"`),
  sets("python3 pathlib", (sec) =>
    `python3 -c '
import json, pathlib, sys
path = pathlib.Path(sys.argv[1])
path.write_text(json.dumps(json.loads(path.read_text()) | {"timeout_sec": ${sec}}))
' "$M/config.json"`),
  sets("node writeFileSync", (sec) =>
    `node -e '
const fs = require("node:fs");
const settings = JSON.parse(fs.readFileSync(process.argv[1]));
fs.writeFileSync(process.argv[1], JSON.stringify({ ...settings, timeout_sec: ${sec} }));
' "$M/config.json"`),
  ...["-n", "--cmd 'set backupcopy=yes'", "--cmd 'set backupcopy=no'"].map((option) =>
    sets(
      `vim ${option}`,
      (sec) =>
        `${
          typing(
            [["max_attempts", `:%s/ut_sec\\": [0-9]*/ut_sec\\": ${sec}/\\r:wq\\r`]],
            `vim -u DEFAULTS -i NONE ${option} "$M/config.json"`,
          )
        } > said`,
      "python3",
    )
  ),
  sets(
    "nano",
    (sec) =>
      `${
        typing([["max_attempts", `\\x1bt{\\"timeout_sec\\":${sec}}\\x0f`], ["Write", "\\r"], [
          "Wrote",
          "\\x18",
        ]], 'nano "$M/config.json"')
      } > said`,
    "python3",
  ),
  sets(
    "perl -e",
    (sec) =>
      `perl -e 'open F, "+<", shift or die; local $/; $_ = <F>; s/(sec": )\\d+/\${1}${sec}/; seek F, 0, 0; print F; truncate F, tell F; close F or die' "$M/config.json"`,
  ),

  sets(
    "jq and mv within the mount",
    (sec) => `jq .timeout_sec=${sec} "$M/config.json" > "$M/new" && mv "$M/new" "$M/config.json"`,
    "jq",
  ),
  sets(
    "jq and mv from elsewhere",
    (sec) => `jq .timeout_sec=${sec} "$M/config.json" > new && mv new "$M/config.json"`,
    "jq",
  ),
  sets(
    "mv -b",
    (sec) => `echo '{"timeout_sec": ${sec}}' > new && mv -b new "$M/config.json" && rm "$M/config.json~"`,
  ),
  sets(
    "cp --remove-destination",
    (sec) => `echo '{"timeout_sec": ${sec}}' > new && cp --remove-destination new "$M/config.json"`,
  ),
  sets(
    "install",
    (sec) => `echo '{"timeout_sec": ${sec}}' > new && install -m 644 new "$M/config.json"`,
  ),
  sets(
    "rsync",
    (sec) => `echo '{"timeout_sec": ${sec}}' > config.json && rsync -I config.json "$M/"`,
  ),
  sets("sed -i", (sec) => `sed -i '/timeout/s/[0-9][0-9]*/${sec}/' "$M/config.json"`),
  sets(
    "sed -i.bak",
    (sec) => `sed -i.bak '/timeout/s/[0-9][0-9]*/${sec}/' "$M/config.json" && rm "$M/config.json.bak"`,
  ),
  sets("perl -i", (sec) => `perl -pi -e 's/[0-9]+/${sec}/ if /timeout/' "$M/config.json"`),
  sets("python3 os.replace", (sec) =>
    `python3 -c '
import os, sys, tempfile
path = sys.argv[1]
with tempfile.NamedTemporaryFile("w", dir=os.path.dirname(path), delete=False) as file:
    file.write("{\\"timeout_sec\\": ${sec}}")
    os.fsync(file.fileno())
os.replace(file.name, path)
' "$M/config.json"`),
  sets("node as write-file-atomic does", (sec) =>
    `node -e '
const fs = require("node:fs");
const path = process.argv[1];
const temporary = path + ".1310408140";
const { uid, gid, mode } = fs.statSync(path);
const file = fs.openSync(temporary, "w", mode);
fs.writeSync(file, JSON.stringify({ timeout_sec: ${sec} }));
fs.fsyncSync(file);
fs.closeSync(file);
fs.chownSync(temporary, uid, gid);
fs.chmodSync(temporary, mode);
fs.renameSync(temporary, path);
' "$M/config.json"`),

  failsToSet(
    "sed -i of bad settings",
    `sed -i '/timeout/s/[0-9][0-9]*/-1/' "$M/config.json"`,
    /Invalid argument/,
  ),
  failsToSet(
    "mv of bad settings",
    `echo '{"timeout_sec": -9}' > "$M/.bad"; mv "$M/.bad" "$M/config.json" || { rm "$M/.bad"; false; }`,
    /cannot move/,
  ),
  failsToSet(
    "mv of bad settings from elsewhere",
    `echo '{"timeout_sec": -9}' > new; mv new "$M/config.json" || { rm new; false; }`,
    /Invalid argument/,
  ),
  failsToSet(
    "rsync of bad settings",
    `echo '{"timeout_sec": -9}' > config.json; rsync -I config.json "$M/"`,
    /Invalid argument/,
  ),
  failsToSet(
    "sponge of bad settings",
    `echo '{"timeout_sec": -9}' | sponge "$M/config.json"`,
    /Invalid argument/,
  ),
  failsToSet("cp of what is no JSON", `cp job "$M/config.json"`, /Invalid argument/),
  failsToSet(
    "sh echo of an unknown key",
    `echo '{"timeout": 9}' > "$M/config.json"`,
    /I\/O error|Invalid argument/,
  ),
  failsToSet(
    "python3 of bad settings",
    `python3 -c '
import sys
with open(sys.argv[1], "w") as file:
    file.write("{\\"timeout_sec\\": false}")
' "$M/config.json"`,
    /Invalid argument/,
  ),
]);
