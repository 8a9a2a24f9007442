/** An error that nobody catches, thrown beside the program by a module that is loaded before it. */
import { DENO_DIR, Program } from "../program.ts";
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
    const preloaded = ["--preload", `${place.path}/bug.js`, `${TREE}main.ts`];
    const args = ["--state", `${place.path}/filed.db`, `${place.path}/mnt`];
    await using filed = Program.run([
      Deno.execPath(),
      ...["run", "--no-prompt", ...PERMISSIONS, ...preloaded, ...args],
    ], { DENO_DIR, NO_COLOR: "1" });
    await filed.says(/ ready /);
    filed.signal("SIGWINCH");
    assert.equal(await filed.ended(), 1);
    assert.match(filed.stderr, /stopping reason="a bug"/);
    assert.match(filed.stderr, /^filed: TypeError: a bug$/m);
    assert.deepEqual(await mountsBelow(place.path), []);
  });
}
