import { NO_LIMITS } from "../../src/job/limits.ts";
import { Executor } from "../../src/run/executor.ts";
import { inheritedEnvironment } from "./workshop.ts";

/** Starts the command that is its argument, prints what is known of the run, and waits for its own end. */
const [command, cgroups, identity] = Deno.args as [string, string, string];
const run = crypto.randomUUID();
const executor = new Executor({
  onStarted: ({ leader, cgroup, uid }) => console.log(JSON.stringify({ run, leader, cgroup, uid })),
  onOutput: ({ bytes }) => executor.taken(run, bytes.length),
  onEnded: () => Deno.exit(1),
  onGone() {},
  onFailure: () => Deno.exit(2),
}, { cgroups: cgroups === "used" ? "used" : "unused", environment: inheritedEnvironment(), identity });
executor.start({
  run,
  jobId: "job",
  attempt: 1,
  content: new TextEncoder().encode(command),
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
