/** The output of another user's job, which a process of its own reads. Our own user's is in output_test.ts. */
import assert from "node:assert/strict";
import { Workshop } from "./workshop.ts";

const OTHER = { uid: 3_999_999, gid: 3_999_998 };
const MIB = 1_048_576;

function relayedTest(name: string, fn: () => Promise<void>) {
  Deno.test({ name, ignore: Deno.uid() !== 0, fn });
}

relayedTest("all of another user's output comes, in its order", async () => {
  await using workshop = new Workshop();
  const run = workshop.start("seq 400000", { runAs: OTHER });
  assert.deepEqual(await run.exit(), { kind: "exited", status: 0 });
  assert.equal(run.text, Array.from({ length: 400_000 }, (_, i) => `${i + 1}\n`).join(""));
});

relayedTest(
  "output that nobody takes keeps another user's job waiting, and nothing of it is lost",
  async () => {
    await using workshop = new Workshop({}, "by hand");
    const run = workshop.start(`head -c ${4 * MIB} /dev/zero`, { runAs: OTHER });
    await run.hasPosted(MIB / 8);
    await workshop.takeAll(run);
    assert.deepEqual(await run.exit(), { kind: "exited", status: 0 });
    assert.equal(run.length, 4 * MIB);
  },
);

relayedTest(
  "what another user's job writes last comes, also where a process it leaves has the output open",
  async () => {
    await using workshop = new Workshop();
    await workshop.fifos("up", "never");
    for (let round = 0; round < 20; round++) {
      const command =
        `setsid sh -c 'echo > $DIR/up; exec tail -f $DIR/never' & read x < $DIR/up; seq 2000; echo last`;
      const run = workshop.start(command, { runAs: OTHER });
      assert.deepEqual(await run.exit(), { kind: "exited", status: 0 });
      assert.match(run.text, /\n2000\nlast\n$/);
    }
  },
);

relayedTest("what another user's job has written comes, though it is killed", async () => {
  await using workshop = new Workshop();
  await workshop.fifos("up", "never");
  const run = workshop.start("seq 2000; echo last; echo > $DIR/up; read x < $DIR/never", { runAs: OTHER });
  await workshop.read("up");
  workshop.executor.end(run.token, 0);
  assert.deepEqual(await run.exit(), { kind: "signaled", signal: "SIGKILL" });
  assert.match(run.text, /\n2000\nlast\n$/);
});

relayedTest("of another user's output past the limit, the end is kept", async () => {
  await using workshop = new Workshop();
  const run = workshop.start("seq 100000; echo last", { runAs: OTHER, maxLogBytes: 1_000 });
  const { droppedBytes, tail } = await run.ended.promise;
  assert.equal(run.length, 1_000);
  assert.ok(droppedBytes > 0);
  assert.match(new TextDecoder().decode(tail), /\n100000\nlast\n$/);
});
