import assert from "node:assert/strict";
import { readKernelFile, readKernelLink } from "./files/kernel_files.ts";
import { releaseMemory, unchangedMappings } from "./release_memory.ts";

const SMAPS = `\
1000-3000 r--p 00000000 fe:00 17                         /opt/a program
Size:                  8 kB
Rss:                   8 kB
Anonymous:             0 kB
Swap:                  0 kB
VmFlags: rd mr mw me
3000-7000 r-xp 00002000 fe:00 17                         /opt/a program
Anonymous:             0 kB
7000-8000 r--p 00006000 fe:00 17                         /opt/a program
Anonymous:             4 kB
70000-71000 r--p 00008000 fe:00 17                         /opt/a program
Anonymous:             0 kB
Swap:                  4 kB
SwapPss:               4 kB
8000-9000 rw-p 00007000 fe:00 17                         /opt/a program
Anonymous:             0 kB
9000-a000 r-xp 00000000 00:00 0
Anonymous:             0 kB
a000-b000 r-xp 00000000 fe:00 18                         /lib/libc.so.6
Anonymous:             0 kB
ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0  [vsyscall]
Anonymous:             0 kB
`;

Deno.test("unchangedMappings() leaves out what was changed, can be, or is of another file", () => {
  assert.deepEqual(unchangedMappings(SMAPS, "/opt/a program"), [
    { start: 0x1000n, sizeBytes: 0x2000n },
    { start: 0x3000n, sizeBytes: 0x4000n },
  ]);
});

Deno.test("releaseMemory() leaves less of the program resident, and it goes on", () => {
  const before = residentKb();
  releaseMemory();
  const after = residentKb();
  assert.ok(after < before / 2, `${before} kB before, ${after} kB after`);
});

/** How much of the program's file is in memory for this process. */
function residentKb(): number {
  const program = readKernelLink("/proc/self/exe");
  let [isProgram, sum] = [false, 0];
  for (const line of readKernelFile("/proc/self/smaps").split("\n")) {
    if (/^[0-9a-f]+-/.test(line)) isProgram = line.endsWith(` ${program}`);
    else if (isProgram) sum += Number(/^Rss: +(\d+)/.exec(line)?.[1] ?? 0);
  }
  return sum;
}
