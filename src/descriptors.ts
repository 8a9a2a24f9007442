import { StartError } from "./start_error.ts";
import { resourceLimit } from "./sys/rlimit.ts";

/** Some 45 of them are for filed itself, the runtime included. */
const LEAST_DESCRIPTORS = 64;

/**
 * Sees that there are enough descriptors to begin with: where they run out in the midst of a start, nothing
 * can be unmounted either. The runtime has raised the soft limit to the hard one by now.
 * @throws {StartError}
 */
export function requireDescriptors(): void {
  const { soft } = resourceLimit("NOFILE");
  if (soft >= LEAST_DESCRIPTORS) return;
  throw new StartError(
    `Cannot work with ${soft} open files at most (ulimit -n): filed needs ${LEAST_DESCRIPTORS}, and 4 more for each job ` +
      "that runs at once; raise the limit, or LimitNOFILE= of its unit",
  );
}
