import { ErrnoError } from "../../sys/errno.ts";
import { factsOf } from "../../sys/facts.ts";
import { close, openPath } from "../../sys/file.ts";
import { pathRule, type Rule } from "../../sys/landlock.ts";
import { BASE } from "./base.ts";
import { PATH_ACCESS, type SandboxRules } from "./rules.ts";

/** A rule can't be kept; the message names it. */
export class RuleError extends Error {
  override readonly name = "RuleError";
}

/**
 * The paths of the base and of the rules, opened. A rule is for what its path led to when it was opened: what is put
 * there later, as a package's upgrade does, needs them opened anew.
 */
export class OpenPaths implements Disposable {
  readonly rules: readonly Rule[];
  readonly #fds: number[] = [];

  /**
   * @param handled The rights that the rulesets take away, of ACCESS_FS.
   * @throws {RuleError} If a rule's path can't be opened.
   */
  constructor(paths: SandboxRules["paths"], handled: number) {
    try {
      this.rules = [
        ...BASE.flatMap((rule) => this.#open(rule, handled) ?? []),
        ...paths.map((rule) => this.#open(rule, handled) ?? missing(rule)),
      ];
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  [Symbol.dispose](): void {
    for (const fd of this.#fds.splice(0)) close(fd);
  }

  /** @returns `undefined` if there is nothing at the path. */
  #open({ option, path }: SandboxRules["paths"][number], handled: number): Rule | undefined {
    try {
      const fd = openPath(path);
      this.#fds.push(fd);
      return pathRule(fd, factsOf(fd).kind, PATH_ACCESS[option] & handled);
    } catch (error) {
      if (!(error instanceof ErrnoError)) throw error;
      if (error.is("ENOENT")) return undefined;
      throw new RuleError(`Cannot keep ${option} ${path}: ${error.message}`, { cause: error });
    }
  }
}

function missing({ option, path }: SandboxRules["paths"][number]): never {
  throw new RuleError(`Cannot keep ${option} ${path}: there is no such file or directory`);
}
