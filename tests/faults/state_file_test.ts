/** State files that filed can't use: one line says which file, what is wrong and what to do; the file stays as it was. */
import assert from "node:assert/strict";
import { fails, Filed, ok, Place, rootTest, run, sh } from "../harness.ts";
import { shownManual } from "../manual.ts";
import { Disk } from "./disk.ts";
import { execute, makeStateFile, overwrite, refusal } from "./state_file.ts";

const PAGE_BYTES = 4_096;
const sizeOf = (path: string) => Deno.statSync(path).size;

const DAMAGE: Record<string, (path: string) => void> = {
  "its header overwritten": (path) => overwrite(path, 16, 100, 0xff),
  "its first page zeroed but for the magic": (path) => overwrite(path, 16, PAGE_BYTES, 0),
  "a page of its tables overwritten": (path) => overwrite(path, PAGE_BYTES, 2 * PAGE_BYTES, 0xff),
  "its middle overwritten": (path) => overwrite(path, PAGE_BYTES, sizeOf(path) >> 1, 0xff),
  "its second half zeroed": (path) => overwrite(path, sizeOf(path) >> 1, sizeOf(path), 0),
  "its end cut off": (path) => Deno.truncateSync(path, sizeOf(path) >> 1),
  "all but its first page cut off": (path) => Deno.truncateSync(path, PAGE_BYTES),
};

for (const [what, damage] of Object.entries(DAMAGE)) {
  Deno.test(`a state file with ${what} is refused with the way to salvage it, and stays as it was`, async () => {
    await using place = await Place.make();
    const state = await makeStateFile(place);
    damage(state);
    await assertRefused(place, state, /\.recover/);
  });
}

Deno.test("a state file is salvaged as the manual says, with all of its jobs", async () => {
  await using place = await Place.make();
  const state = await makeStateFile(place);
  const [recipe] = /^ *\(sqlite3 filed\.db \.dump[^]*? salvaged\.db$/m.exec(await shownManual()) ?? [];
  assert.ok(recipe);
  await ok(sh(`cd ${place.path} && mv ${state} damaged.db && ${recipe.replace("filed.db", "damaged.db")}`));
  await ok(sh(`mv ${place.path}/salvaged.db ${state}`));
  await using filed = await Filed.start(place);
  assert.equal((await filed.list("complete")).length, 40);
  assert.match(await ok(run(["cat", `${filed.mount}/complete/job-7`])), /^2000$/m);
});

const OTHERS: Record<string, [make: (path: string) => void, advice: RegExp]> = {
  "a newer filed's": [
    (path) => execute(path, "PRAGMA user_version = 99"),
    /newer filed wrote it \(version 99/,
  ],
  "another program's": [(path) => execute(path, "PRAGMA application_id = 1"), /another program.*--state/],
  "a text": [(path) => Deno.writeTextFileSync(path, "notes\n".repeat(1_000)), /not a database.*--state/],
};

for (const [what, [make, advice]] of Object.entries(OTHERS)) {
  Deno.test(`a state file that is ${what} is refused, and stays as it was`, async () => {
    await using place = await Place.make();
    const state = await makeStateFile(place);
    make(state);
    await assertRefused(place, state, advice);
  });
}

Deno.test("a state file that sqlite3 has locked is refused with a word on that", async () => {
  await using place = await Place.make();
  const state = await makeStateFile(place);
  const holder = new Deno.Command("sqlite3", { args: [state], stdin: "piped", stdout: "piped" }).spawn();
  const input = holder.stdin.getWriter();
  const output = holder.stdout.getReader();
  try {
    await input.write(new TextEncoder().encode("BEGIN EXCLUSIVE; SELECT 'locked';\n"));
    await output.read();
    await assertRefused(place, state, /locked/);
  } finally {
    await input.close();
    await output.cancel();
    await holder.status;
  }
});

rootTest("a state file on a file system that is read-only is refused", async () => {
  await using place = await Place.make();
  const disk = await Disk.inMemory(place, "8m");
  await Deno.copyFile(await makeStateFile(place), disk.stateFile);
  await ok(run(["mount", "-o", "remount,ro", disk.path]));
  await assertRefused(place, disk.stateFile, /[Rr]ead-only/);
});

Deno.test("a missing directory of the state file is an error that names it", async () => {
  await using place = await Place.make();
  const { status, stderr } = await refusal(place, `${place.path}/none/filed.db`);
  assert.equal(status, 1);
  assert.match(
    stderr,
    new RegExp(`^filed: Cannot open the state file ${place.path}/none/filed.db: .*does not exist.*\n$`),
  );
});

/** @param why What the line says besides the file's name. */
async function assertRefused(place: Place, state: string, why: RegExp): Promise<void> {
  const before = await Deno.readFile(state);
  const { status, stderr } = await refusal(place, state);
  assert.equal(status, 1, stderr);
  assert.match(stderr, why);
  assert.ok(stderr.startsWith(`filed: Cannot open the state file ${state}: `), stderr);
  assert.equal(stderr.split("\n").length, 2, "one line");
  assert.deepEqual(await Deno.readFile(state), before);
  await fails(run(["mountpoint", "-q", `${place.path}/mnt`]), /^/);
}
