import { StartError } from "./start_error.ts";
import { resourceLimit } from "../sys/processes/rlimit.ts";

/** filed itself uses some 45 of them, the runtime included. */
const LEAST_DESCRIPTORS = 64;
/** The sandbox's default rules, and its root. Each other rule's path takes one more. */
const OF_SANDBOX = 24;

/**
 * Refuses a start with too few descriptors: where they run out in the midst of it, we can't unmount either.
 * The runtime has raised the soft limit to the hard one by now.
 * @param sandbox The rules that confine jobs, if any.
 * @throws {StartError}
 */
export function requireDescriptors(sandbox: { paths: readonly unknown[] } | undefined): void {
  const { soft } = resourceLimit("NOFILE");
  const least = LEAST_DESCRIPTORS + (sandbox ? OF_SANDBOX + sandbox.paths.length : 0);
  if (soft >= least) return;
  throw new StartError(
    `Cannot work with ${soft} open files at most (ulimit -n): filed needs ${least}, and up to 6 more for each job ` +
      "that runs at once; raise the limit, or LimitNOFILE= of its unit",
  );
}
