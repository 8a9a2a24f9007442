import type { Job } from "../job/job.ts";
import assert from "node:assert/strict";
import { ErrnoError } from "../fuse/mod.ts";
import { Accounts, Charge } from "./accounts.ts";
import { CommandFile } from "./command_file.ts";
import { MOST_BYTES } from "./job_limit.ts";

const utf8 = (text: string) => new TextEncoder().encode(text);
const text = (file: CommandFile) => new TextDecoder().decode(file.bytes.subarray());
const JOB = { number: 1, id: "x" } as Job;
const NOW = 1_000;
const writer = (uid: number) => ({ uid, access: "write" } as const);
const FIRST = writer(1);
const charge = () => new Charge(new Accounts(), 1, 0);

function stored(content: string): CommandFile {
  const file = new CommandFile(JOB, "stored", charge());
  file.fill(utf8(content));
  return file;
}

Deno.test("a new file is neither stored nor closed, one that is in the store is both, also before it is read", () => {
  const fresh = new CommandFile(JOB, "new", charge());
  assert.deepEqual([fresh.isStored, fresh.isClosed], [false, false]);
  const loading = new CommandFile(JOB, "stored", charge());
  assert.deepEqual([loading.isStored, loading.isClosed], [true, true]);
});

const WRITES: [string, number, string, string][] = [
  ["at the start", 0, "AB", "ABcd"],
  ["inside", 1, "B", "aBcd"],
  ["at the end", 4, "e", "abcde"],
  ["past the end", 6, "g", "abcd\0\0g"],
];
for (const [where, offset, data, expected] of WRITES) {
  Deno.test(`a write ${where} changes what is read, until it is taken back`, () => {
    const file = stored("abcd");
    const takeBack = file.write(offset, utf8(data), NOW);
    assert.equal(text(file), expected);
    assert.deepEqual([file.isStored, file.isClosed, file.modifiedAt], [false, false, NOW]);
    takeBack();
    assert.equal(text(file), "abcd");
  });
}

Deno.test("what somebody wrote after it is not taken back", () => {
  const file = stored("abcd");
  const takeBack = file.write(0, utf8("A"), NOW);
  file.write(1, utf8("B"), NOW);
  takeBack();
  assert.equal(text(file), "ABcd");
});

Deno.test("truncating cuts, and fills with zeros", () => {
  const file = stored("abcd");
  file.truncate(2, NOW);
  assert.equal(text(file), "ab");
  file.truncate(3, NOW);
  assert.equal(text(file), "ab\0");
});

Deno.test("16 MiB fit, and not one byte more", () => {
  const file = stored("");
  const tooLarge = (error: unknown) => error instanceof ErrnoError && error.is("EFBIG");
  file.write(MOST_BYTES - 1, utf8("x"), NOW);
  assert.throws(() => file.write(MOST_BYTES, utf8("x"), NOW), tooLarge);
  assert.throws(() => file.truncate(MOST_BYTES + 1, NOW), tooLarge);
  assert.equal(file.bytes.length, 16_777_216);
});

Deno.test("what is written while it is being stored is not taken for stored", async () => {
  const file = stored("");
  file.write(0, utf8("a"), NOW);
  await file.save("closed", (bytes) => {
    assert.deepEqual(bytes.subarray(), utf8("a"));
    file.write(1, utf8("b"), NOW);
    return Promise.resolve();
  });
  assert.deepEqual([file.isStored, file.isClosed], [false, false]);
  await file.save("draft", () => Promise.resolve());
  assert.deepEqual([file.isStored, file.isClosed], [true, false]);
});

/** Who a store would hear of. */
async function writersOf(file: CommandFile, how: "draft" | "closed" = "closed") {
  let seen: unknown;
  await file.save(how, (_, { uids, of }) => Promise.resolve(seen = { uids: [...uids], of }));
  return seen;
}

Deno.test("all who have it open for writing when it changes may have written it", async () => {
  const file = stored("abcd");
  for (const uid of [1, 2, 1]) file.opened(writer(uid));
  file.write(0, utf8("A"), NOW);
  assert.deepEqual(await writersOf(file), { uids: [1, 2], of: "part" });
});

Deno.test("who wrote what is closed is forgotten, and not before", async () => {
  const file = stored("abcd");
  file.opened(FIRST);
  file.write(0, utf8("A"), NOW);
  await writersOf(file, "draft");
  file.closed(FIRST);
  file.opened(writer(2));
  file.write(0, utf8("B"), NOW);
  assert.deepEqual(await writersOf(file), { uids: [1, 2], of: "part" });
  file.write(0, utf8("C"), NOW);
  assert.deepEqual(await writersOf(file), { uids: [2], of: "part" });
});

Deno.test("who wrote before it was emptied does not count", async () => {
  const file = stored("abcd");
  file.opened(FIRST);
  file.write(0, utf8("A"), NOW);
  file.closed(FIRST);
  file.opened(writer(2));
  file.truncate(0, NOW);
  file.write(0, utf8("B"), NOW);
  assert.deepEqual(await writersOf(file), { uids: [2], of: "all" });
});

Deno.test("what comes back from the store is not taken for all new", async () => {
  const file = stored("abcd");
  file.opened(FIRST);
  file.truncate(0, NOW);
  file.fill(utf8("abcd"));
  file.write(4, utf8("e"), NOW);
  assert.deepEqual(await writersOf(file), { uids: [1], of: "part" });
});
