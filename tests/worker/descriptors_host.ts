import { NO_LIMITS } from "../../src/job/limits.ts";
import { newIdentity } from "../../src/queue/queue.ts";
import { Executor } from "../../src/run/executor.ts";
import { inheritedEnvironment } from "./workshop.ts";

/** Prints the descriptors that a job has, but the one with which they are listed. */
const ended = Promise.withResolvers<void>();
await using executor = new Executor({
  onStarted() {},
  onOutput: ({ bytes }) => void Deno.stdout.writeSync(bytes),
  onEnded: () => ended.resolve(),
  onGone() {},
  onFailure: ended.reject,
}, { environment: inheritedEnvironment(), identity: newIdentity() });
executor.start({
  run: crypto.randomUUID(),
  jobId: "job",
  attempt: 1,
  content: new TextEncoder().encode("ls /proc/$$/fd"),
  how: "text",
  stdin: undefined,
  cwd: undefined,
  runAs: undefined,
  timeoutMs: 0,
  warnMs: 0,
  slots: [],
  maxLogBytes: 1_000,
  limits: NO_LIMITS,
});
await ended.promise;
