/** docs/migrating.md, tried as it is written. */
import assert from "node:assert/strict";
import { Filed, ok, Place, run } from "../harness.ts";
import { Program } from "../program.ts";

const PAGE = await Deno.readTextFile(new URL("../../docs/migrating.md", import.meta.url));
const [THEIRS = "", OURS = ""] = [...PAGE.matchAll(/^filed (.*) \/tmp\/filed-jobs$/gm)].map(([, options]) =>
  options
);

/** Runs filed with options of one of the page's lines, to its end. @returns What it said. */
async function said(place: Place, options: string): Promise<string> {
  await using program = Program.start([...options.split(" "), `${place.path}/mnt`]);
  assert.equal(await program.ended(), 2);
  return program.stderr;
}

Deno.test("a command line of the original is answered with the line to write instead, which works", async () => {
  await using place = await Place.make();
  const line = `write: filed ${OURS} ${place.path}/mnt; see filed --help\n`;
  const answer = await said(place, THEIRS);
  assert.ok(answer.endsWith(line), answer);
  await using filed = await Filed.start(place, { args: OURS.split(" ") });
  assert.match(await filed.finish("job", "/usr/bin/echo 'hello world'"), /^hello world$/m);
});

Deno.test("each option of the original is answered as the page's table says", async () => {
  await using place = await Place.make();
  const rows = [...PAGE.matchAll(/^\| `(-r\w+) (DIR|FILE)` +\| `([^`]+)` +\|/gm)];
  assert.equal(rows.length, 4);
  for (const [, option = "", path = "", ours = ""] of rows) {
    assert.match(await said(place, `${option} ${path}`), new RegExp(`write: filed --sandbox ${ours} `));
  }
});

Deno.test("what --exec, and --rw with it, allow is what the original's options did", async () => {
  await using place = await Place.make();
  await Deno.mkdir(`${place.path}/out`, { mode: 0o777 });
  await ok(run(["sh", "-c", 'cp "$(command -v uname)" "$1/out/"', "sh", place.path]));
  const rules = ["--exec", `${place.path}/out`, "--rw", `${place.path}/out`];
  await using filed = await Filed.start(place, { args: ["--sandbox", ...rules] });
  const log = await filed.finish(
    "job",
    `cd ${place.path}/out && ./uname && echo text > file && read -r it < file && echo $it`,
  );
  assert.match(log, /^Linux\ntext$/m);
});
