import { getLogger } from "@logtape/logtape";
import { resolve } from "node:path";
import type { Executor } from "../run/executor.ts";
import type { SandboxSettings } from "../run/sandbox_rules.ts";
import { limitsOf, refusalOf } from "../run/sandbox_support.ts";
import type { SandboxOptions } from "../settings.ts";
import { landlockAbi } from "../sys/landlock.ts";
import { StartError } from "./start_error.ts";

const log = getLogger(["filed", "daemon"]);

/**
 * The sandbox as far as this kernel can keep it; a warning names the rest.
 * @throws {StartError} If it can keep none of it, or less than required.
 */
export function prepareSandbox(
  { enforcement, paths, ports, tempDirectory }: SandboxOptions,
): SandboxSettings {
  const abi = landlockAbi();
  if (abi === 0) {
    throw new StartError(
      "Cannot sandbox jobs: this kernel has no Landlock, or does not use it: that takes Linux 5.13, " +
        "and landlock in its list of security modules (lsm=landlock,... at boot)",
    );
  }
  const rules = { paths: paths.map(({ option, path }) => ({ option, path: resolve(path) })), ports };
  const refusal = enforcement === "require" ? refusalOf(abi, rules) : undefined;
  if (refusal) throw new StartError(`Cannot sandbox jobs: ${refusal}`);
  const limits = limitsOf(abi);
  if (limits.length > 0) log.warn("this kernel enforces the sandbox in part", { abi, limits });
  return { rules, abi, tempDirectory };
}

/** @throws {StartError} If a rule can't be kept. */
export async function confine(
  executor: Executor,
  sandbox: SandboxSettings,
  stateFile: string,
): Promise<void> {
  const confined = await executor.confine(sandbox);
  if ("problem" in confined) throw new StartError(`Cannot sandbox jobs: ${confined.problem}`);
  const warnIfReached = (real: string, message: string) => {
    for (const [index, { option, path }] of sandbox.rules.paths.entries()) {
      const isAbove = `${real}/`.startsWith(`${confined.rules[index]}/`.replace("//", "/"));
      if (isAbove) log.warn(message, { rule: `${option} ${path}` });
    }
  };
  warnIfReached(stateFile, "a rule of the sandbox reaches the state file");
  warnIfReached(confined.tempDirectory, "a rule of the sandbox reaches the jobs' temporary folders");
  log.info("jobs are sandboxed", { abi: sandbox.abi, ...sandbox.rules });
}
