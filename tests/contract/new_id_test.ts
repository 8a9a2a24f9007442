/** new-id: a short id for everybody who asks, and never twice the same. */
import assert from "node:assert/strict";
import { shortId } from "../../src/job/new_id.ts";
import { execute } from "../faults/state_file.ts";
import { Filed, ok, Place, startFiled } from "../harness.ts";
import { open, read, startPaused, stat } from "./expect.ts";

const SHAPE = /^[2-9a-hjkmnp-z]{4}\n$/; // Without 0, o, 1, i and l.

const readIds = async (filed: Filed, count: number) => {
  const ids: string[] = [];
  for (let index = 0; index < count; index++) ids.push((await read(filed, "new-id")).trim());
  return ids;
};

Deno.test("new-id reads as one line of 4 letters and digits that can't be misread", async () => {
  await using filed = await startFiled();
  for (let index = 0; index < 100; index++) assert.match(await read(filed, "new-id"), SHAPE);
});

Deno.test("each open of new-id gives another id, and the same one for as long as it is open", async () => {
  await using filed = await startFiled();
  await ok(filed.python(`
files = [os.open(M + "/new-id", os.O_RDONLY) for _ in range(10)]
ids = [os.pread(file, 100, 0) for file in files]
assert len(set(ids)) == 10, ids
assert ids == [os.pread(file, 100, 0) for file in reversed(files)][::-1]
file = files[0]
assert b"".join(os.read(file, 1) for _ in range(9)) == ids[0]
assert os.read(file, 1) == b""
`));
});

Deno.test("new-id's size is what it reads as", async () => {
  await using filed = await startFiled();
  assert.equal((await stat(filed, "new-id")).size, (await read(filed, "new-id")).length);
});

const READERS = {
  cat: "cat $M/new-id",
  "the shell": "read -r id < $M/new-id && echo $id",
  head: "head -n 1 $M/new-id",
  tail: "tail -n 1 $M/new-id",
  dd: "dd if=$M/new-id bs=1 status=none",
  cp: "cp $M/new-id $F && cat $F",
  sed: "sed p $M/new-id | sort -u",
  "a Python copy":
    `python3 -c 'import os, shutil; shutil.copyfile(os.environ["M"] + "/new-id", "'$F'")' && cat $F`,
};

Deno.test("any program gets a whole id", async () => {
  await using filed = await startFiled();
  const ids = new Set<string>();
  for (const [reader, script] of Object.entries(READERS)) {
    const id = await ok(filed.sh(`F=${filed.place.path}/id; rm -f $F; ${script}`));
    assert.match(id, SHAPE, reader);
    ids.add(id);
  }
  assert.equal(ids.size, Object.keys(READERS).length);
});

Deno.test("twenty who read new-id at once get different ids", async () => {
  await using filed = await startFiled();
  const reader = "for n in $(seq 50); do read -r id < $M/new-id; echo $id; done";
  const ids = await ok(filed.sh(`for n in $(seq 20); do (${reader}) & done; wait`));
  assert.equal(new Set(ids.trim().split("\n")).size, 1_000);
});

Deno.test("new-id never gives the id of a job, whatever its state", async () => {
  await using filed = await startPaused();
  const [first] = await readIds(filed, 1);
  let index = 0;
  while (shortId(index) !== first) index++;
  const next = Array.from({ length: 6 }, (_, step) => shortId(index + 1 + step));
  for (const id of next) await filed.submit(id, "true");
  await ok(filed.sh(`mv $M/pending/${next[1]} $M/failed/`));
  for (const id of await readIds(filed, 10)) assert.equal(next.includes(id), false, id);
});

Deno.test("new-id gives no id again after a restart, nor after a kill", async () => {
  await using filed = await startFiled();
  const ids = await readIds(filed, 100);
  await filed.stop();
  {
    await using again = await Filed.start(filed.place);
    ids.push(...await readIds(again, 100));
    again.signal("SIGKILL");
    await again.ended();
  }
  await using third = await Filed.start(filed.place);
  ids.push(...await readIds(third, 100));
  assert.equal(new Set(ids).size, 300);
});

Deno.test("the ids of two fresh queues differ", async () => {
  await using one = await startFiled();
  await using other = await startFiled();
  const ids = [...await readIds(one, 20), ...await readIds(other, 20)];
  assert.equal(new Set(ids).size, 40);
});

Deno.test("a queue whose ids began at 0 goes on where it was", async () => {
  await using place = await Place.make();
  {
    await using filed = await Filed.start(place);
    await filed.stop();
  }
  execute(`${place.path}/filed.db`, "INSERT INTO counters (name, next) VALUES ('new-id', 640)");
  await using filed = await Filed.start(place);
  assert.deepEqual(await readIds(filed, 2), [shortId(640), shortId(641)]);
});

Deno.test("a job can be named by new-id in the same command", async () => {
  await using filed = await startFiled();
  await ok(filed.sh(`printf 'echo sent' > "$M/pending/mail-$(cat $M/new-id)"`));
  const line = await filed.event("attempt ended", { state: "complete" });
  assert.match(String(line.properties.job), /^mail-[2-9a-z]{4}$/);
});

Deno.test("looking at new-id, listing it or opening it without reading is harmless", async () => {
  await using filed = await startFiled();
  await ok(filed.sh("ls -l $M/new-id; stat $M/new-id; test -r $M/new-id; : < $M/new-id"));
  using _file = await open(filed, "new-id", { read: true });
  assert.match(await read(filed, "new-id"), SHAPE);
});
