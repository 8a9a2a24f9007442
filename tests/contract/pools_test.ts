/** Pools: how many run of those that want slots, and who is next. src/job/pools_test.ts has the rules as a table. */
import assert from "node:assert/strict";
import { fails, Filed, ok, Place, rootTest, startFiled } from "../harness.ts";
import { assertHeld, assertStarted, Gate, mv, read, refuses, settled, started } from "./expect.ts";

/** Users that every Debian has. */
const [ANN, BOB] = ["daemon", "bin"] as const;
const INVALID = /Invalid argument|I\/O error/;

/** Jobs that wait at gates of their own until they are let go. */
class Gates implements Disposable {
  readonly #place: Place;
  readonly #gates = new Map<string, Gate>();

  constructor(place: Place) {
    this.#place = place;
  }

  async command(id: string, directives: string): Promise<string> {
    const gate = await Gate.make(this.#place, `gate-${id}`);
    this.#gates.set(id, gate);
    return `#filed ${directives}\n${gate.waiting}\n`;
  }

  async reached(id: string): Promise<void> {
    await this.#gates.get(id)?.closedOn();
  }

  open(...ids: string[]) {
    for (const id of ids) this.#gates.get(id)?.open();
  }

  [Symbol.dispose]() {
    for (const gate of this.#gates.values()) gate[Symbol.dispose]();
  }
}

Deno.test("so many run as a pool has slots, each with slots of its own, and the next once one ends", async () => {
  await using filed = await startFiled({ config: { pools: { gpu: 2 } } });
  using gates = new Gates(filed.place);
  for (const id of ["a", "b", "c"]) await filed.submit(id, await gates.command(id, "use=gpu"));
  await gates.reached("a");
  await gates.reached("b");
  await assertHeld(filed, "c");
  gates.open("b");
  await gates.reached("c");
  gates.open("a", "c");
  await filed.finished("a");
  await filed.finished("c");
});

Deno.test("a job learns which slots it has of the pools that it wants", async () => {
  await using filed = await startFiled({ config: { pools: { gpu: 3, api: 5 } } });
  using gates = new Gates(filed.place);
  await filed.submit("first", await gates.command("first", "use=gpu"));
  await gates.reached("first");
  const log = await filed.finish("x", '#filed use=gpu:2,api\necho "$FILED_POOL_gpu/$FILED_POOL_api"');
  assert.match(log, /\n1,2\/0\n$/);
  assert.match(await filed.finish("plain", 'echo "[${FILED_POOL_gpu-none}]"'), /\n\[none\]\n$/);
  gates.open("first");
});

Deno.test("nobody's environment says that a job has slots, in the sandbox neither", async () => {
  await using place = await Place.make();
  const env = { FILED_POOL_gpu: "7", FILED_POOL_other: "7" };
  await assert.rejects(
    Filed.start(place, { args: ["--env", "FILED_POOL_gpu=7"] }),
    /each job has a FILED_POOL_gpu of its own/,
  );
  for (const args of [[], ["--sandbox", "--clear-env"]]) {
    await using filed = await Filed.start(place, { args, env, config: { pools: { gpu: 2 } } });
    const id = `x${args.length}`;
    const command = 'echo "$FILED_POOL_gpu [${FILED_POOL_other-none}]"';
    assert.match(await filed.finish(id, `#filed use=gpu:2\n${command}`), /\n0,1 \[none\]\n$/);
    assert.match(await filed.finish(`${id}-plain`, command), /\n \[none\]\n$/);
  }
});

Deno.test("a pool that is not there, or more than it has, is refused at the write, and why/ says so", async () => {
  await using filed = await startFiled({ config: { pools: { gpu: 2, off: 0 } } });
  const cases: [use: string, reason: RegExp][] = [
    ["disk", /^refused: use=disk: no such pool; the pools are gpu, off\n/],
    ["gpu:3", /^refused: use=gpu:3: the pool has 2\n/],
    ["constructor", /^refused: use=constructor: no such pool/],
  ];
  for (const [use, reason] of cases) {
    await fails(filed.sh(`printf '#filed use=${use}\\ntrue\\n' > $M/pending/x`), INVALID);
    assert.match(await read(filed, "why/x"), reason);
    await filed.submit(".x", `#filed use=${use}\ntrue\n`);
    await refuses("EINVAL", mv(filed, ".x", "y"));
    assert.match(await read(filed, "why/y"), reason);
  }
  assert.deepEqual(await filed.list("pending"), [".x"]);
});

Deno.test("a pool of 0 is paused, and a greater one starts jobs at once, a smaller one ends none", async () => {
  await using filed = await startFiled({ config: { pools: { gpu: 0 } } });
  using gates = new Gates(filed.place);
  for (const id of ["a", "b", "c"]) await filed.submit(id, await gates.command(id, "use=gpu"));
  await assertHeld(filed, "a");
  await filed.configure({ pools: { gpu: 2 } });
  await gates.reached("a");
  await gates.reached("b");
  await filed.configure({ pools: { gpu: 1 } });
  gates.open("a");
  await filed.finished("a");
  await assertHeld(filed, "c");
  assert.deepEqual(await filed.list("active"), ["b"]);
  gates.open("b");
  await gates.reached("c");
  gates.open("c");
  assert.match(await filed.finished("c"), /^>>> /);
});

Deno.test("pools are replaced whole: who waits for one that is gone waits until it is there again", async () => {
  await using filed = await startFiled({ config: { pools: { gpu: 0, api: 1 } } });
  await filed.submit("x", "#filed use=gpu\ntrue");
  await filed.configure({ pools: { disk: 1 } });
  assert.deepEqual(JSON.parse(await read(filed, "config.json")).pools, { disk: 1 });
  await assertHeld(filed, "x");
  await filed.configure({ pools: { gpu: 1 } });
  await filed.finished("x");
});

Deno.test("who wants more than is free gets what gets free before those behind it, and others pass by", async () => {
  await using filed = await startFiled({ config: { pools: { gpu: 2, api: 1 } } });
  using gates = new Gates(filed.place);
  const submit = async (id: string, use: string) => await filed.submit(id, await gates.command(id, use));
  await submit("a", "use=gpu");
  await submit("b", "use=gpu");
  await gates.reached("a");
  await gates.reached("b");
  await submit("wide", "use=gpu:2");
  await submit("narrow", "use=gpu");
  await submit("other", "use=api");
  await gates.reached("other");
  gates.open("a");
  await filed.finished("a");
  await settled(filed);
  assert.deepEqual(started(filed), ["a", "b", "other"]);
  gates.open("b");
  await gates.reached("wide");
  await assertHeld(filed, "narrow");
  gates.open("wide");
  await gates.reached("narrow");
  gates.open("narrow", "other");
  await filed.finished("narrow");
});

Deno.test("a higher priority has the next slot, and within a priority who came first", async () => {
  await using filed = await startFiled({ config: { pools: { gpu: 0 }, at_most: { priority: 100 } } });
  for (const [id, priority] of [["a", 0], ["b", 10], ["c", -5], ["d", 10], ["e", 0]] as const) {
    await filed.submit(id, `#filed use=gpu priority=${priority}\ntrue`);
  }
  await filed.configure({ pools: { gpu: 1 } });
  for (const id of ["a", "b", "c", "d", "e"]) await filed.finished(id);
  await assertStarted(filed, "b", "d", "a", "e", "c");
});

Deno.test("a job that is removed, moved or rewritten gives up its slots, or its claim to them", async () => {
  await using filed = await startFiled({ config: { pools: { gpu: 2 } } });
  using gates = new Gates(filed.place);
  const submit = async (id: string, use: string) => await filed.submit(id, await gates.command(id, use));
  await submit("a", "use=gpu");
  await gates.reached("a");
  await submit("wide", "use=gpu:2");
  await submit("b", "use=gpu");
  await assertHeld(filed, "b");
  await filed.submit("wide", "#filed start=+1h use=gpu:2\ntrue"); // It waits for a time, and so for nothing else.
  await gates.reached("b");
  await submit("c", "use=gpu");
  await assertHeld(filed, "c");
  await Deno.remove(`${filed.mount}/active/a`);
  await gates.reached("c");
  await submit("d", "use=gpu");
  await Deno.rename(`${filed.mount}/active/b`, `${filed.mount}/failed/b`);
  await gates.reached("d");
  gates.open("c", "d");
  await filed.finished("d");
});

Deno.test("a job that is tried again has slots only while it runs", async () => {
  await using filed = await startFiled({
    config: { pools: { gpu: 1 }, max_attempts: 2, backoff_base: 3_600, backoff_mult: 1 },
  });
  await filed.submit("x", "#filed use=gpu\nexit 1");
  await filed.event("attempt ended", { job: "x" });
  assert.match(await filed.finish("y", '#filed use=gpu\necho "$FILED_POOL_gpu"'), /\n0\n$/);
  await ok(filed.sh("touch $M/pending/x"));
  await filed.finished("x");
});

Deno.test("after kill -9 the slots of what ran are free, and what waits starts", async () => {
  await using place = await Place.make();
  const first = await Filed.start(place, { config: { pools: { gpu: 1 } } });
  await using _first = first;
  using gates = new Gates(place);
  await first.submit("a", await gates.command("a", "use=gpu max_attempts=1 lock=l"));
  await gates.reached("a");
  await first.submit("b", '#filed use=gpu lock=l\necho "$FILED_POOL_gpu"');
  await first.stop("SIGKILL");
  await using next = await Filed.start(place);
  assert.match(await next.finished("b"), /\n0\n$/);
});

rootTest("no user holds, evicts or starves what is another user's", async () => {
  await using filed = await startFiled({ config: { pools: { gpu: 2 } } });
  await filed.admitAll();
  using gates = new Gates(filed.place);
  const submit = (user: string, id: string, text: string) =>
    ok(filed.sh(`cat > $M/pending/${id} <<'END'\n${text}\nEND`, { user }));
  await submit(ANN, "ann-1", await gates.command("ann-1", "use=gpu lock=l"));
  await gates.reached("ann-1");
  // A lock is its owner's: the same name of another holds nobody up.
  await submit(BOB, "bob-1", await gates.command("bob-1", "use=gpu lock=l"));
  await gates.reached("bob-1");
  // Bob, who came after Ann and wants all, reserves nothing of what she waits for before.
  await submit(ANN, "ann-2", await gates.command("ann-2", "use=gpu"));
  for (let i = 2; i < 40; i++) await submit(BOB, `bob-${i}`, "#filed use=gpu:2\ntrue");
  gates.open("bob-1");
  await gates.reached("ann-2");
  // Priority is capped, also by a rename, a rewrite and a retry.
  const denied = /Operation not permitted|I\/O error/;
  await fails(filed.sh("printf '#filed use=gpu priority=1\\ntrue\\n' > $M/pending/x", { user: BOB }), denied);
  await ok(filed.sh("printf '#filed use=gpu priority=1\\ntrue\\n' > $M/pending/.x", { user: BOB }));
  await fails(filed.sh("mv $M/pending/.x $M/pending/x", { user: BOB }), denied);
  await fails(
    filed.sh("printf '#filed use=gpu priority=1\\ntrue\\n' > $M/pending/bob-9", { user: BOB }),
    denied,
  );
  // A file of his that root gives to Ann waits in her line from then on, and his does not.
  await filed.configure({ pools: { gpu: 0 } });
  gates.open("ann-1", "ann-2");
  await filed.finished("ann-2");
  await submit(BOB, "given", "#filed lock=l start=+1h\ntrue");
  await ok(filed.sh(`chown ${ANN} $M/pending/given; touch $M/pending/given`));
  await filed.finished("given");
  await filed.configure({ pools: { gpu: 2 } });
  for (let i = 2; i < 40; i++) await filed.finished(`bob-${i}`);
});

Deno.test("the waiting jobs of a user have up to 100 different uses; one that is over makes room", async () => {
  const pools = Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`p${index}`, 0]));
  await using filed = await startFiled({ config: { pools: { ...pools, p0: 0 } } });
  for (let i = 0; i < 100; i++) await filed.submit(`x${i}`, `#filed use=p${i}\ntrue`);
  const quota = /Disk quota exceeded|I\/O error/;
  await fails(filed.sh("printf '#filed use=p1,p2\\ntrue\\n' > $M/pending/y"), quota);
  assert.match(
    await read(filed, "why/y"),
    /^refused: use: the user's jobs have 100 different ones already\n/,
  );
  await filed.submit("z", "#filed use=p1\ntrue");
  await filed.configure({ pools: { ...pools, p0: 1 } });
  await filed.finished("x0");
  await filed.submit("y", "#filed use=p1,p2\ntrue");
  await fails(filed.sh("mv $M/complete/x0 $M/pending/"), quota);
  await Deno.remove(`${filed.mount}/pending/x1`);
  await Deno.remove(`${filed.mount}/pending/z`);
  await ok(filed.sh("mv $M/complete/x0 $M/pending/"));
});
