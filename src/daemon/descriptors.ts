import { StartError } from "./start_error.ts";
import { resourceLimit } from "../sys/processes/rlimit.ts";

/** Some 45 of them are for filed itself, the runtime included. */
const LEAST_DESCRIPTORS = 64;
/** And so many for what each sandboxed job may use, besides one for each rule's path. */
const OF_SANDBOX = 24;

/**
 * Sees that there are enough descriptors to begin with: where they run out in the midst of a start, nothing
 * can be unmounted either. The runtime has raised the soft limit to the hard one by now.
 * @param sandbox What jobs are confined to, if they are.
 * @throws {StartError}
 */
export function requireDescriptors(sandbox: { paths: readonly unknown[] } | undefined): void {
  const { soft } = resourceLimit("NOFILE");
  const least = LEAST_DESCRIPTORS + (sandbox ? OF_SANDBOX + sandbox.paths.length : 0);
  if (soft >= least) return;
  throw new StartError(
    `Cannot work with ${soft} open files at most (ulimit -n): filed needs ${least}, and up to 5 more for each job ` +
      "that runs at once; raise the limit, or LimitNOFILE= of its unit",
  );
}
