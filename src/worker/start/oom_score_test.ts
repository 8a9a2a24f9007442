import assert from "node:assert/strict";
import { close, openReadOnly } from "../../sys/files/file.ts";
import { readKernelFile } from "../../sys/files/kernel_files.ts";
import { AS_WE_ARE, spawn } from "../../sys/spawn/mod.ts";
import { waitIfEnded } from "../../sys/processes/wait.ts";
import { setScore } from "./oom_score.ts";

const scoreOf = (pid: number | "self") => Number(readKernelFile(`/proc/${pid}/oom_score_adj`));

Deno.test("setScore() gives a process a score of its own, and leaves ours", async () => {
  const ours = scoreOf("self");
  const nothing = openReadOnly("/dev/null");
  const ended = Promise.withResolvers<void>();
  const started = spawn({
    ...AS_WE_ARE,
    path: "/bin/sleep",
    args: ["sleep", "60"],
    fds: [nothing, nothing, nothing],
  });
  try {
    await setScore(started, ours + 300, ended.promise);
    assert.equal(scoreOf(started.pid), ours + 300);
    assert.equal(scoreOf("self"), ours);
  } finally {
    Deno.kill(started.pid, "SIGKILL");
    while (!waitIfEnded(started.pid)) await new Promise((resolve) => setTimeout(resolve, 1));
    close(nothing);
  }
});
