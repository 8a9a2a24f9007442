/**
 * Measures `ls` and `ls -l` of complete/ with 100,000 jobs, and `find complete -delete` of them.
 *
 * Against a directory of the disk with as many files of the same names, all in memory.
 *
 * The limit: names come from the kernel in pages of some thousand on a disk, and over a round trip to the server each
 * here; `ls -l` asks for each file's attributes, unless the names bring them; a removal is a round trip for each.
 */
import { type Rig, run, timeMs } from "../rig.ts";
import { compare, type Row } from "../row.ts";

const FULL = 100_000;
const QUICK = 10_000;

export async function* listing(rig: Rig): AsyncGenerator<Row> {
  const count = rig.size(FULL, QUICK);
  const of = `of ${count.toLocaleString("en")} jobs`;
  await using filed = await rig.startOn("complete", count);
  const [ours, theirs] = [`${filed.mount}/complete`, await makeFiles(rig, count)];
  for (const [command, atMost, rounds] of [["ls", 3, 5], ["ls -l", 5, 2]] as const) {
    const list = (directory: string) => timeMs(["sh", "-c", `${command} "$1" >/dev/null`, "sh", directory]);
    const pairs = await rig.alternate(() => list(ours), () => list(theirs), rig.size(rounds, 2));
    yield compare(`${command} ${of}`, "ms", "disk", pairs, { atMost });
  }
  const remove = (directory: string) => timeMs(["find", directory, "-mindepth", "1", "-delete"]);
  const pairs = { filed: [await remove(ours)], reference: [await remove(theirs)] };
  yield compare(`find -delete ${of}`, "ms", "disk", pairs, { atMost: 10 });
}

async function makeFiles(rig: Rig, count: number): Promise<string> {
  const directory = await rig.directory("files");
  await run(["sh", "-c", `cd "$1" && seq -f job-%.0f 0 ${count - 1} | xargs touch`, "sh", directory]);
  return directory;
}
