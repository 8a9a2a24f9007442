import { Directory } from "../../sys/directory.ts";
import { ErrnoError } from "../../sys/errno.ts";
import { factsOf } from "../../sys/facts.ts";
import { pathRule, type Rule, Ruleset } from "../../sys/landlock.ts";
import { cString } from "../../sys/libc.ts";
import { effectiveUid } from "../../sys/process.ts";
import { PATH_ACCESS } from "./rules.ts";
import type { TempPlace } from "./temp_place.ts";

/** The longest step of the clock by which file systems know when something was changed. */
const CLOCK_STEP_MS = 10;

export interface Owner {
  uid: number;
  gid: number;
}

/** Rulesets, and what they are made of. */
export interface Recipe {
  handled: { fs: number; net: number; scoped: number };
  /** All but those for temporary folders. Another list, even of the same rules, makes for another ruleset. */
  rules: readonly Rule[];
}

/** Where one job is confined at a time: a private temporary folder, and a ruleset with it. */
export class Cell implements Disposable {
  /** What tells a job of the folder. */
  readonly env: Readonly<Record<string, string>>;
  readonly #directory: Directory;
  readonly #madeNs: bigint;
  readonly #madeMs: number;
  #enteredMs = 0;
  #ruleset: { from: Recipe; made: Ruleset } | undefined;

  /** @throws {ErrnoError} If the folder can't be made. */
  constructor(place: TempPlace, readonly name: string, readonly owner: Owner) {
    const folder = `${place.path}/${name}`;
    this.env = { TMPDIR: folder, TMP: folder, TEMP: folder };
    place.directory.makeDirectory(cString(name), 0o700);
    this.#directory = place.directory.openChild(cString(name));
    if (owner.uid !== effectiveUid()) this.#directory.changeOwner(owner.uid, owner.gid);
    this.#madeNs = factsOf(this.#directory.fd).changedAtNs;
    this.#madeMs = Number(this.#madeNs / 1_000_000n);
  }

  /** @returns The ruleset's descriptor, for a job that starts now. @throws {ErrnoError} EMFILE, ENFILE, ENOMEM. */
  enter(recipe: Recipe): number {
    this.#enteredMs = Date.now();
    if (this.#ruleset?.from !== recipe) {
      this.#ruleset?.made[Symbol.dispose]();
      this.#ruleset = undefined;
      this.#ruleset = { from: recipe, made: this.#makeRuleset(recipe) };
    }
    return this.#ruleset.made.fd;
  }

  /** Whether a change that a job makes from now on could be told from the making. */
  isSettled(now = Date.now()): boolean {
    return now - this.#madeMs > CLOCK_STEP_MS;
  }

  /** Whether the folder is as it was made, for certain: without entries, and with its mode and all that a file can have. */
  isUntouched(): boolean {
    return this.isSettled(this.#enteredMs) && factsOf(this.#directory.fd).changedAtNs === this.#madeNs;
  }

  /** Closes what it has open. The folder stays. */
  [Symbol.dispose](): void {
    this.#ruleset?.made[Symbol.dispose]();
    this.#directory[Symbol.dispose]();
  }

  #makeRuleset({ handled, rules }: Recipe): Ruleset {
    const ruleset = new Ruleset(handled);
    try {
      for (const rule of rules) ruleset.add(rule);
      ruleset.add(pathRule(this.#directory.fd, "directory", PATH_ACCESS["--rw"] & handled.fs));
      return ruleset;
    } catch (error) {
      if (error instanceof ErrnoError) ruleset[Symbol.dispose]();
      throw error;
    }
  }
}
