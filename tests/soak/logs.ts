/** What must be in the log of a job that ended. */
import { commandOf, isPart, outputOf, partOf } from "./commands.ts";

const TRAILER = /\n\n\[System Error\]: (.*)\n$/;
const WITHDRAWN = "not run: moved to failed/ by hand";

/** @returns What is wrong with the log of a job in complete/; `run`: that of the attempt. */
export function faultOfComplete(
  log: string,
  version: string,
): { run: string | undefined; fault: string | undefined } {
  const run = runOf(log, version);
  const isWhole = run !== undefined && log === headerOf(version) + outputOf(version, run);
  return { run, fault: isWhole ? undefined : "the log of a job in complete/ is not whole" };
}

/** @returns What is wrong with the log of a job in failed/; `version`: `null` for an empty command. */
export function faultOfFailed(log: string, version: string | null): string | undefined {
  const reason = TRAILER.exec(log)?.[1];
  if (reason === undefined) return "the log of a job in failed/ lacks its reason";
  // What was rewritten after an attempt, and then taken out of the queue, has the log of that attempt.
  const shown = [version, ...reason === WITHDRAWN ? shownVersions(log) : []].find((version) =>
    log.startsWith(headerOf(version))
  );
  if (shown === undefined) return "the log of a job in failed/ lacks its header";
  if (shown !== null && isPart(shown)) return undefined; // The shell's complaint.
  let output = log.slice(headerOf(shown).length);
  while (TRAILER.test(output)) output = output.replace(TRAILER, "");
  const run = shown === null ? undefined : runOf(log, shown);
  const expected = shown === null || run === undefined ? "run " : outputOf(shown, run);
  if (/: exit status/.test(log) && output !== expected) {
    return "the log of a job that ended by itself is not whole";
  }
  return isBeginning(output, expected) ? undefined : "a log has a gap, or what nobody wrote";
}

/** Whether it is the beginning of what was written; a line that was cut short is ended by filed. */
function isBeginning(output: string, expected: string): boolean {
  return expected.startsWith(output) || expected.startsWith(output.replace(/\n$/, ""));
}

function headerOf(version: string | null): string {
  return `>>> ${version === null ? "" : commandOf(version).trimEnd()}\n`;
}

/** The version that the log's header names, or its part. */
function shownVersions(log: string): string[] {
  const version = /^>>> # (\S+)\n/.exec(log)?.[1];
  return version === undefined ? [] : [version, partOf(version)];
}

function runOf(log: string, version: string): string | undefined {
  return /^run ([\w-]{36})\n/.exec(log.slice(headerOf(version).length))?.[1];
}
