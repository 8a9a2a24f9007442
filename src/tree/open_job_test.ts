import type { Job } from "../job/job.ts";
import assert from "node:assert/strict";
import { ErrnoError } from "../fuse/mod.ts";
import { Accounts, Charge } from "./accounts.ts";
import { CommandFile } from "./command_file.ts";
import { type Hold, OpenJob } from "./open_job.ts";

const ANN = 1_001;
const JOB = { number: 1, id: "x" } as Job;

type Act = "open" | "close" | "wait" | "letGo" | "remove";
const ACTS: readonly Act[] = ["open", "close", "wait", "letGo", "remove"];
const never = () => assert.fail("it is waited for so long");

function act(job: OpenJob, what: Act) {
  if (what === "open") job.open(ANN);
  if (what === "close") job.close();
  if (what === "wait") job.wait(ANN, 1_000_000, never);
  if (what === "letGo") job.letGo();
  if (what === "remove") job.remove("removed");
}

/** How a state is reached, and what each act makes of it; what is left out is a bug. */
const TABLE: Record<Hold, { by: Act[]; next: Partial<Record<Act, Hold>> }> = {
  "let go": { by: [], next: { open: "open", wait: "waiting", remove: "let go" } },
  "open": { by: ["open"], next: { open: "open", close: "closed", letGo: "let go", remove: "let go" } },
  "closed": {
    by: ["open", "close"],
    next: { open: "open", wait: "waiting", letGo: "let go", remove: "let go" },
  },
  "waiting": { by: ["wait"], next: { open: "open", wait: "waiting", letGo: "let go", remove: "let go" } },
};
for (const [state, { by, next }] of Object.entries(TABLE)) {
  for (const what of ACTS) {
    const then = next[what];
    Deno.test(`an open job, ${state}: ${what} makes it ${then ?? "fail"}`, () => {
      const accounts = new Accounts();
      using job = new OpenJob(1, accounts);
      for (const before of by) act(job, before);
      assert.equal(job.hold, state);
      if (then === undefined) assert.throws(() => act(job, what), assert.AssertionError);
      else act(job, what);
      assert.equal(job.hold, then ?? state);
      assert.equal(accounts.of(ANN).heldJobs, job.isHeld ? 1 : 0);
    });
  }
}

Deno.test("a job that waits is told when its time is over, unless it is opened before", async () => {
  using job = new OpenJob(1, new Accounts());
  job.wait(ANN, 1, never);
  job.open(ANN);
  job.close();
  await new Promise<void>((resolve) => job.wait(ANN, 1, resolve));
  assert.equal(job.hold, "waiting");
});

Deno.test("a job is idle once nothing is known of it", () => {
  using job = new OpenJob(1, new Accounts());
  assert.equal(job.isIdle, true);
  job.isUnfinished = true;
  assert.equal(job.isIdle, false);
  const file = job.file = new CommandFile(JOB, "new", new Charge(new Accounts(), ANN, 0));
  file.opened({ uid: ANN, access: "write" });
  job.open(ANN);
  job.remove("moved");
  assert.deepEqual([job.isHeld, job.isUnfinished, job.file, job.removedFile], [
    false,
    false,
    undefined,
    file,
  ]);
  assert.deepEqual(file.spoiled, new ErrnoError("ESTALE"));
  assert.equal(job.isIdle, false);
  job.forget(file);
  assert.equal(job.isIdle, true);
});
