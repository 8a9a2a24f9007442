import { ErrnoError } from "../../sys/errno.ts";
import { close } from "../../sys/files/file.ts";
import { pathRule, type Rule } from "../../sys/landlock.ts";
import type { Reactor } from "../reactor.ts";
import { atMost } from "../../sys/waiting/deadline.ts";
import { DEFAULT_RULES } from "./default_rules.ts";
import { type Found, Lookup, lookUpKnown, realPathOf } from "./look_up.ts";
import { PATH_ACCESS, type SandboxRules } from "../../run/sandbox_rules.ts";

/** How long the lookup of a path may take when filed starts. */
export const START_MS = 5_000;
/** How long a job that starts waits for a path that we look up again. */
const LOOK_MS = 250;

/** A rule can't be kept; the message names it. */
export class RuleError extends Error {
  override readonly name = "RuleError";
}

type PathRule = SandboxRules["paths"][number];

/**
 * The files that the rules' paths lead to, open.
 *
 * A ruleset is for files, not for paths: we open the paths again and again, as a package's upgrade puts
 * another file in the place of one. A path can lead to a file system whose server does not answer. So what
 * the kernel does not know, a helper looks up; while that hangs, the rule is for the file of before.
 */
export class OpenPaths implements Disposable {
  readonly #paths: readonly OpenPath[];
  readonly #warn: (rule: string) => void;
  /** For the descriptors that are open now. */
  #rules: readonly Rule[] | undefined;

  private constructor(rules: SandboxRules["paths"], reactor: Reactor, warn: (rule: string) => void) {
    const onChange = () => this.#rules = undefined;
    const open = (rule: PathRule, need: "if there" | "required") =>
      new OpenPath(rule, need, reactor, onChange);
    this.#paths = [
      ...DEFAULT_RULES.map((rule) => open(rule, "if there")),
      ...rules.map((rule) => open(rule, "required")),
    ];
    this.#warn = warn;
  }

  /**
   * @param warn Called once for a rule whose path does not answer any more.
   * @throws {RuleError} If a rule's path does not answer.
   */
  static async open(
    rules: SandboxRules["paths"],
    reactor: Reactor,
    warn: (rule: string) => void,
  ): Promise<OpenPaths> {
    const paths = new OpenPaths(rules, reactor, warn);
    await atMost(START_MS, paths.#look());
    const silent = paths.#paths.find(({ isLooking }) => isLooking);
    if (!silent) return paths;
    paths[Symbol.dispose]();
    throw new RuleError(`Cannot keep ${silent.name}: the file system there does not answer`);
  }

  /** Opens all of them anew. Takes a moment at most, whatever does not answer. */
  async look(): Promise<void> {
    await atMost(LOOK_MS, this.#look());
    for (const path of this.#paths) {
      if (path.isLooking && !path.isSilent) {
        path.isSilent = true;
        this.#warn(path.name);
      }
    }
  }

  /**
   * The rules, for what their paths led to when they last answered. It is the same list for as long as their
   * descriptors are open: compare it before you use what was made of it.
   * @param handled The rights that the rulesets take away, of ACCESS_FS.
   * @throws {RuleError | ErrnoError} If a rule's path can't be opened any more; EMFILE, ENFILE, ENOMEM.
   */
  rules(handled: number): readonly Rule[] {
    return this.#rules ??= this.#paths.flatMap((path) => path.rule(handled) ?? []);
  }

  /** The paths of the rules, but for the default ones, without links; in the order of the rules. */
  realPaths(): string[] {
    return this.#paths.filter(({ need }) => need === "required").map((path) => path.realPath());
  }

  [Symbol.dispose](): void {
    for (const path of this.#paths) path[Symbol.dispose]();
  }

  #look(): Promise<unknown> {
    return Promise.all(this.#paths.map((path) => path.look()));
  }
}

/** A rule's path, and what it led to when it last answered. */
class OpenPath implements Disposable {
  readonly name: string;
  /** Whether we have stopped waiting for it, until it answers. */
  isSilent = false;
  readonly #rule: PathRule;
  readonly #reactor: Reactor;
  readonly #onChange: () => void;
  #found: Found | undefined;
  #lookup: Lookup | undefined;
  #looking: Promise<void> | undefined;
  #isClosed = false;

  /** @param onChange Called when a descriptor that a rule has is closed. */
  constructor(
    rule: PathRule,
    readonly need: "if there" | "required",
    reactor: Reactor,
    onChange: () => void,
  ) {
    this.#rule = rule;
    this.#onChange = onChange;
    this.#reactor = reactor;
    this.name = `${rule.option} ${rule.path}`;
  }

  get isLooking(): boolean {
    return this.#looking !== undefined;
  }

  /** @returns What to wait for, if anything. */
  look(): Promise<void> | undefined {
    if (this.#looking) return this.isSilent ? undefined : this.#looking;
    const known = lookUpKnown(this.#rule.path);
    if (known) return void this.#take(known);
    return this.#looking = this.#lookElsewhere();
  }

  realPath(): string {
    const found = this.#found;
    if (found === undefined || found instanceof ErrnoError) return this.#rule.path;
    return realPathOf(found);
  }

  /** @returns `undefined` if there is nothing, and need not be. @throws {RuleError | ErrnoError} */
  rule(handled: number): Rule | undefined {
    const { option } = this.#rule;
    const found = this.#found;
    if (found === undefined) return undefined;
    if (!(found instanceof ErrnoError)) {
      return pathRule(found.fd, found.kind, PATH_ACCESS[option] & handled);
    }
    if (found.is("EMFILE", "ENFILE", "ENOMEM")) throw found; // It says nothing of the path.
    if (!found.is("ENOENT")) {
      throw new RuleError(`Cannot keep ${this.name}: ${found.message}`, { cause: found });
    }
    if (this.need === "if there") return undefined;
    throw new RuleError(`Cannot keep ${this.name}: there is no such file or directory`);
  }

  [Symbol.dispose](): void {
    this.#isClosed = true;
    this.#lookup?.kill();
    this.#take(undefined);
  }

  async #lookElsewhere() {
    this.#lookup = new Lookup(this.#rule.path, this.#reactor);
    const found = await this.#lookup.found;
    this.#lookup = undefined;
    this.#looking = undefined;
    this.isSilent = false;
    this.#take(found);
    if (this.#isClosed) this.#take(undefined);
  }

  #take(found: Found | undefined) {
    const before = this.#found;
    this.#found = found;
    this.#onChange();
    if (before !== undefined && !(before instanceof ErrnoError)) close(before.fd);
  }
}
