import assert from "node:assert/strict";
import { NO_LIMITS } from "../../src/job/limits.ts";
import { readKernelFile } from "../../src/sys/files/kernel_files.ts";
import { Workshop } from "./workshop.ts";

Deno.test("a nicer job makes its own session nicer, and not that of filed", async () => {
  await using workshop = new Workshop();
  const before = readAutogroup();
  const limits = { ...NO_LIMITS, nice: 7 };
  const isNicer = "[ ! -e /proc/self/autogroup ] || grep -q 'nice 7$' /proc/self/autogroup";
  const rest = { limits, timeoutMs: 60_000 };
  const runs = Array.from({ length: 20 }, () => workshop.start(`until ${isNicer}; do :; done`, rest));
  for (const run of runs) assert.deepEqual(await run.exit(), { kind: "exited", status: 0 });
  assert.equal(readAutogroup(), before);
});

Deno.test("a session that has begun, but has filed's share of the CPU still, leaves that as it is", async () => {
  const niceness = new URL("../../src/worker/start/niceness.ts", import.meta.url);
  // A process that leads its session stands for both, filed and the job.
  const script = `import { niceSession } from "${niceness}";
    await niceSession(Deno.pid, 7, new Promise((resolve) => setTimeout(resolve, 20)));
    const path = "/proc/self/autogroup";
    console.log(await Deno.readTextFile(path).catch(() => "none"));`;
  const command = new Deno.Command("setsid", { args: [Deno.execPath(), "eval", "--no-lock", script] });
  const { stdout, success } = await command.output();
  assert.ok(success);
  assert.doesNotMatch(new TextDecoder().decode(stdout), /nice 7/);
});

/** The session's place in the sharing of the CPU, and how nice it is; `undefined`: this kernel has none. */
function readAutogroup(): string | undefined {
  try {
    return readKernelFile("/proc/self/autogroup");
  } catch {
    return undefined;
  }
}
