import { Directory } from "../../sys/files/directory.ts";
import { ErrnoError } from "../../sys/errno.ts";
import { factsOf } from "../../sys/files/facts.ts";
import { pathRule, type Rule, Ruleset } from "../../sys/landlock.ts";
import { effectiveUid } from "../../sys/processes/process.ts";
import { PATH_ACCESS } from "../../run/sandbox_rules.ts";
import { PASSABLE, type TempPlace } from "./temp_root.ts";

/** The longest step of the clock by which file systems know when something was changed. */
const CLOCK_STEP_MS = 10;
/** The job's own folder in the folder of its cell. */
export const INSIDE = "tmp";

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

/**
 * Where one job is confined at a time: a private temporary folder, and a ruleset with it. The folder is the
 * only one in a folder of ours: who removes it waits for its owner with the lock of that one only, and the
 * next cell can be made.
 */
export class Cell implements Disposable {
  /** What tells a job of the folder. */
  readonly env: Readonly<Record<string, string>>;
  readonly #directory: Directory;
  readonly #inode: bigint;
  readonly #madeNs: bigint;
  readonly #madeMs: number;
  #enteredMs = 0;
  #ruleset: { from: Recipe; made: Ruleset } | undefined;

  /** @param name Nothing has it yet in the place. @throws {ErrnoError} If the folder can't be made. */
  constructor(readonly place: TempPlace, readonly name: string, readonly owner: Owner) {
    const folder = `${place.path}/${name}/${INSIDE}`;
    this.env = { TMPDIR: folder, TMP: folder, TEMP: folder };
    this.#directory = makeFolder(place, name, owner);
    const { inode, changedAtNs } = factsOf(this.#directory.fd);
    this.#inode = inode;
    this.#madeNs = changedAtNs;
    this.#madeMs = Number(this.#madeNs / 1_000_000n);
  }

  /** What is open of it for as long as it is kept, besides the ruleset. */
  get fd(): number {
    return this.#directory.fd;
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

  /**
   * Whether the folder is still where it was made, with nothing mounted on it.
   * @throws {ErrnoError} EMFILE, ENFILE.
   */
  isThere(): boolean {
    return this.place.directory.inodeAt(`${this.name}/${INSIDE}`) === this.#inode;
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

/** Makes the two folders of a cell. @returns The inner one. @throws {ErrnoError} And then neither is left. */
function makeFolder(place: TempPlace, name: string, owner: Owner): Directory {
  place.directory.makeDirectory(name, PASSABLE);
  try {
    using around = place.directory.openChild(name);
    around.changeMode(PASSABLE); // whatever the umask
    return makeInside(around, owner);
  } catch (error) {
    if (error instanceof ErrnoError) place.directory.removeDirectory(name);
    throw error;
  }
}

function makeInside(around: Directory, owner: Owner): Directory {
  around.makeDirectory(INSIDE, 0o700);
  let inside: Directory | undefined;
  try {
    inside = around.openChild(INSIDE);
    if (owner.uid !== effectiveUid()) inside.changeOwner(owner.uid, owner.gid);
    return inside;
  } catch (error) {
    if (!(error instanceof ErrnoError)) throw error;
    inside?.[Symbol.dispose]();
    around.removeDirectory(INSIDE); // Nobody else's yet.
    throw error;
  }
}
