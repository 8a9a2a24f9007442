/** An error that nobody catches, thrown beside the program by a module that is loaded before it. */
import assert from "node:assert/strict";
import { mountsBelow, PERMISSIONS, Place } from "../harness.ts";

const TREE = new URL("../..", import.meta.url).pathname;
const BUGS = {
  "a promise": 'Promise.reject(new TypeError("a bug"))',
  "a callback": 'setTimeout(() => { throw new TypeError("a bug"); })',
};

for (const [where, bug] of Object.entries(BUGS)) {
  Deno.test(`an error in ${where} that nobody catches ends filed with status 1, and leaves no mount`, async () => {
    await using place = await Place.make();
    await Deno.writeTextFile(
      `${place.path}/bug.js`,
      `Deno.addSignalListener("SIGWINCH", () => { ${bug}; });`,
    );
    const filed = new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "--no-prompt", ...PERMISSIONS, "--preload", `${place.path}/bug.js`, `${TREE}main.ts`],
        ...["--state", `${place.path}/filed.db`, `${place.path}/mnt`],
      ],
      env: { NO_COLOR: "1" },
      stderr: "piped",
    }).spawn();
    let stderr = "";
    let isTold = false;
    for await (const text of filed.stderr.pipeThrough(new TextDecoderStream())) {
      stderr += text;
      if (isTold || !/ ready /.test(stderr)) continue; // A line can come in parts.
      isTold = true;
      filed.kill("SIGWINCH");
    }
    assert.equal((await filed.status).code, 1);
    assert.match(stderr, /stopping reason="a bug"/);
    assert.match(stderr, /^filed: TypeError: a bug$/m);
    assert.deepEqual(await mountsBelow(place.path), []);
  });
}
