import assert from "node:assert/strict";
import { NO_LIMITS } from "../../src/queue/limits.ts";
import { readKernelFile } from "../../src/sys/kernel_files.ts";
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

/** The session's place in the sharing of the CPU, and how nice it is; `undefined`: this kernel has none. */
function readAutogroup(): string | undefined {
  try {
    return readKernelFile("/proc/self/autogroup");
  } catch {
    return undefined;
  }
}
