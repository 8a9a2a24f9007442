/** The state file is damaged, or its disk fails, while filed runs: what it can't tell, it says; it never tells less than there is. */
import assert from "node:assert/strict";
import { assertStarted } from "../contract/expect.ts";
import { fails, Filed, ok, Place, rootTest, run } from "../harness.ts";
import { Disk } from "./disk.ts";
import { overwrite } from "./state_file.ts";

const JOBS = 24;
const LOG_BYTES = 1_000_000;
const PAGE_BYTES = 4_096;
const ids = Array.from({ length: JOBS }, (_, index) => `job-${String(index).padStart(2, "0")}`);

/** A daemon with more logs than it keeps in memory, none of them read since it started. */
async function startCold(place: Place): Promise<Filed> {
  {
    await using filed = await Filed.start(place);
    for (const id of ids) await filed.submit(id, `yes ${id} | head -c ${LOG_BYTES}`);
    await Promise.all(ids.map((id) => filed.event("attempt ended", { job: id, state: "complete" })));
    await filed.stop();
  }
  return await Filed.start(place);
}

const DAMAGE: Record<string, (path: string) => Promise<void> | void> = {
  "overwritten": overwritePieces,
  "cut off": (path) => Deno.truncateSync(path, Deno.statSync(path).size >> 1),
  "emptied": (path) => Deno.truncateSync(path, 0),
};

/**
 * Overwrites pages of logs in the second half, but no last page of a piece: of that alone SQLite can't tell, since it names no page
 * after it, and has no checksum. https://sqlite.org/dbstat.html: a page's path ends with its number among those of its row.
 */
async function overwritePieces(path: string): Promise<void> {
  const pages = "SELECT pageno, path FROM dbstat WHERE name = 'logs' AND pagetype = 'overflow'";
  const rows = (await ok(run(["sqlite3", "-readonly", path, pages]))).trimEnd().split("\n");
  const byPath = new Map(rows.map((row) => [row.split("|")[1] as string, Number(row.split("|")[0])]));
  const hasNext = (name: string) => {
    const [cell, number] = name.split("+") as [string, string];
    return byPath.has(`${cell}+${(parseInt(number, 16) + 1).toString(16).padStart(6, "0")}`);
  };
  const half = Deno.statSync(path).size / PAGE_BYTES >> 1;
  for (const [name, page] of byPath) {
    if (page > half && hasNext(name)) overwrite(path, (page - 1) * PAGE_BYTES, page * PAGE_BYTES, 0xff);
  }
}

for (const [what, damage] of Object.entries(DAMAGE)) {
  Deno.test(`logs in a state file that is ${what} under the daemon are whole or EIO, and an error is logged`, async () => {
    await using place = await Place.make();
    await using filed = await startCold(place);
    await damage(filed.state);
    const answers = await Promise.all(ids.map((id) => readLog(filed, id)));
    assert.ok(answers.includes("EIO"), "what was lost is EIO");
    assert.deepEqual(answers.filter((answer) => answer !== "EIO" && answer !== "whole"), []);
    await filed.event("request failed");
    const listing = await filed.sh("ls $M/complete");
    if (listing.status === 0) assert.deepEqual(listing.stdout.split("\n").slice(0, -1), ids);
    else assert.match(listing.stderr, /Input\/output error/);
  });
}

/** @returns `whole`, the errno, or what is wrong. */
async function readLog(filed: Filed, id: string): Promise<string> {
  try {
    const log = await Deno.readTextFile(`${filed.mount}/complete/${id}`);
    const output = `${id}\n`.repeat(LOG_BYTES / id.length).slice(0, LOG_BYTES);
    return log === `>>> yes ${id} | head -c ${LOG_BYTES}\n${output}` ? "whole" : `${id} has other content`;
  } catch (error) {
    return /os error 5\b/.test(String(error)) ? "EIO" : String(error);
  }
}

rootTest(
  "on a disk that fails, what can't be stored or read is EIO; what was acknowledged is there later",
  async () => {
    await using place = await Place.make();
    const disk = await Disk.onDevice(place);
    {
      await using filed = await Filed.start(place, { args: disk.args, config: { max_job_count: 0 } });
      await filed.submit("before", "echo before");
      await disk.fail();
      await fails(filed.sh("/bin/echo after > $M/pending/after"), /Input\/output error/);
      await fails(filed.sh("/bin/echo rewritten > $M/pending/before"), /Input\/output error/);
      const { stdout, stderr } = await filed.sh("cat $M/pending/before");
      assert.ok(stdout === "echo before" || /Input\/output error/.test(stderr), stdout);
      await filed.event("request failed");
      await filed.stop();
    }
    await disk.remount();
    await using filed = await Filed.start(place, { args: disk.args, config: { max_job_count: 1 } });
    assert.equal(await filed.finished("before"), ">>> echo before\nbefore\n");
    await assertStarted(filed, "before");
  },
);
