/** Many readers and handles: none holds anything up, and a reader that is killed leaves nothing behind. */
import assert from "node:assert/strict";
import { startFiled, until } from "../harness.ts";
import { firstHoldingsOf, holdingsOf, leaks, many, whileLooking } from "./watch.ts";

/** Runs Python until it ends, however long that takes. */
async function python(script: string, env: Record<string, string>): Promise<void> {
  const { success, stderr } = await new Deno.Command("python3", {
    args: ["-c", `import os, subprocess\nM = os.environ["M"]\n${script}`],
    env,
    cwd: "/",
  }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
}

Deno.test("readers of an active log that are killed in mid-read leave nothing behind", async () => {
  await using filed = await startFiled();
  const command = "yes | head -c 2000000; exec sleep 1000";
  await filed.submit("x", command);
  const bytes = `>>> ${command}\n`.length + 2_000_000;
  const log = `${filed.mount}/active/x`;
  await until("the log", async () => (await Deno.stat(log).catch(() => undefined))?.size === bytes);
  const before = await holdingsOf(filed);
  await whileLooking(filed, () =>
    python(
      `
for reader in range(${many(1_000, 10_000)}):
    cat = subprocess.Popen(["cat", M + "/active/x"], stdout=subprocess.PIPE)
    if reader % 2: # The others are killed at any moment.
        cat.stdout.read(1) # Its pipe is full soon, so that it waits in the middle.
    cat.kill()
    cat.wait()
    cat.stdout.close()
`,
      { M: filed.mount },
    ));
  await Deno.remove(log);
  await filed.event("attempt ended", { job: "x" });
  assert.deepEqual(leaks(before, await holdingsOf(filed)), []);
});

Deno.test("1,000 handles are open at once, and a listing answers", async () => {
  await using filed = await startFiled();
  const before = await firstHoldingsOf(filed);
  await filed.configure({ max_job_count: 0 });
  await whileLooking(filed, () =>
    python(
      `
files = []
for number in range(1000):
    file = os.open(f"{M}/pending/{number % 250}", os.O_CREAT | os.O_RDWR)
    os.pwrite(file, b": %d" % number, 0)
    files.append(file)
assert len(os.listdir(M + "/pending")) == 250
for number, file in enumerate(files):
    assert os.pread(file, 100, 0) == b": %d" % (750 + number % 250), number
    os.close(file)
`,
      { M: filed.mount },
    ));
  assert.deepEqual(leaks(before, await holdingsOf(filed)), []);
  await filed.configure({ max_job_count: 20 });
  await filed.events("attempt ended", { state: "complete" }, 250);
});
