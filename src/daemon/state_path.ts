import { dirname, resolve } from "node:path";
import type { Settings } from "../settings.ts";
import { ANSWER_MS, withinMs } from "../sys/waiting/deadline.ts";
import { StartError } from "./start_error.ts";
import { DistrustError, followTrusted } from "./trusted_path.ts";

/**
 * Finds the path of the state file, where nobody but root and we can put another one.
 * @returns It without links; it need not exist.
 * @throws {StartError}
 */
export async function prepareStateFile({ stateFile, stateDirectory }: Settings): Promise<string> {
  const path = resolve(stateFile);
  const follow = () => withinMs(ANSWER_MS, followTrusted(path, "file", () => false));
  try {
    const { real, missing } = await follow();
    if (missing.length <= 1) return real;
    if (stateDirectory === "expected") throw new Deno.errors.NotFound();
    await withinMs(ANSWER_MS, Deno.mkdir(dirname(real), { recursive: true, mode: 0o700 }));
    return (await follow()).real;
  } catch (error) {
    throw new StartError(`Cannot open the state file ${path}: ${reasonOf(error, dirname(path))}`, {
      cause: error,
    });
  }
}

function reasonOf(error: unknown, directory: string): string {
  if (error instanceof DistrustError) return error.message;
  if (error instanceof Deno.errors.NotFound) {
    return `the directory ${directory} does not exist; create it, or name another file with --state`;
  }
  if (error instanceof Deno.errors.NotCapable) {
    return "Deno keeps programs out of /dev, /proc and /sys; name another file with --state";
  }
  return `${(error as Error).message}; name another file with --state`;
}
