/** The thread that runs jobs does nothing any more: a tracer holds it. */
import assert from "node:assert/strict";
import { Filed, ok, rootTest, startFiled } from "../harness.ts";
import { TextLineStream } from "../text_lines.ts";
import { stopInTime } from "../contract/expect.ts";

/** Holds all threads of a name, of process argv[1], until that ends. */
const HOLD = `
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
PTRACE_SEIZE, PTRACE_INTERRUPT = 0x4206, 0x4207
held = 0
for thread in os.listdir(f"/proc/{sys.argv[1]}/task"):
    if not open(f"/proc/{sys.argv[1]}/task/{thread}/comm").read().startswith(sys.argv[2]): continue
    for request in PTRACE_SEIZE, PTRACE_INTERRUPT:
        if libc.ptrace(request, int(thread), None, None) != 0: raise OSError(ctypes.get_errno(), "ptrace")
    os.waitpid(int(thread), 0x40000000)
    held += 1
print(held, flush=True)
try:
    while True: os.waitpid(-1, 0x40000000)
except ChildProcessError: pass # It is gone, which its process waits for.
`;

rootTest("a stop ends in time though the thread that runs jobs hangs, and its job runs again", async () => {
  await using filed = await startFiled();
  const mark = `${filed.place.path}/mark`;
  await filed.submit("job", `[ -e ${mark} ] || { touch ${mark}; exec sleep 60; }`);
  await ok(filed.sh(`until [ -e ${mark} ]; do :; done`));
  await using holder = new Deno.Command("python3", {
    args: ["-c", HOLD, String(filed.pid), "worker"],
    stdout: "piped",
  }).spawn();
  const reader = holder.stdout.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream())
    .getReader();
  assert.equal((await reader.read()).value, "1");
  await stopInTime(filed);
  await reader.cancel();
  await holder.status;
  await using next = await Filed.start(filed.place);
  await next.finished("job");
});
