import { must } from "../../must.ts";
import { PATH_ACCESS } from "../../run/sandbox_rules.ts";
import { Directory } from "../../sys/files/directory.ts";
import { factsOf } from "../../sys/files/facts.ts";
import { type Handled, pathRule, type Rule, Ruleset } from "../../sys/landlock.ts";
import { effectiveUid } from "../../sys/processes/process.ts";
import type { Restriction } from "../../sys/spawn/mod.ts";
import type { Removals } from "./removals.ts";
import { PASSABLE } from "../locked_folder.ts";
import type { TempRoot } from "./temp_root.ts";

/** The longest step of the clock by which file systems know when something was changed. */
const CLOCK_STEP_MS = 10;
/** The name of the job's folder. */
const INSIDE = "tmp";

export interface Owner {
  uid: number;
  gid: number;
}

/** The parts of a ruleset that all jobs have in common. */
export interface Recipe {
  handled: Handled;
  /** Another list, even of the same rules, makes another ruleset. */
  paths: readonly Rule[];
  ports: readonly Rule[];
}

/**
 * Confines one job at a time: by a temporary folder, and a ruleset that allows it.
 *
 * The folder is alone in a folder of ours. Who removes it may wait for its owner, and locks only that one
 * meanwhile: we can go on to make others in the root.
 */
export class Confinement implements Disposable {
  /** Tells the job of its folder. */
  readonly env: Readonly<Record<string, string>>;
  readonly #directory: Directory;
  readonly #inode: bigint;
  readonly #madeNs: bigint;
  #enteredMs = 0;
  /** `file`: of one job only. */
  #ruleset: { paths: Recipe["paths"]; file: number | undefined; made: Ruleset } | undefined;
  #restriction: Restriction | undefined;

  /** @param name Nothing has it yet in the root. @throws {ErrnoError} If the folder can't be made. */
  constructor(readonly root: TempRoot, readonly name: string, readonly owner: Owner) {
    const folder = `${root.path}/${name}/${INSIDE}`;
    this.env = { TMPDIR: folder, TMP: folder, TEMP: folder };
    this.#directory = makeFolder(root, name, owner);
    const { inode, changedAtNs } = factsOf(this.#directory.fd);
    this.#inode = inode;
    this.#madeNs = changedAtNs;
  }

  /** The descriptor that it has open besides the ruleset's. */
  get fd(): number {
    return this.#directory.fd;
  }

  /** For the job that was entered last. */
  get restriction(): Restriction {
    return must(this.#restriction, "a job is started once its confinement is entered");
  }

  /**
   * Makes it ready for a job that starts now.
   * @param proof The path of what it can't rename.
   * @param file The descriptor of a file that it may read and execute besides.
   * @throws {ErrnoError} EMFILE, ENFILE, ENOMEM.
   */
  enter(recipe: Recipe, proof: string, file: number | undefined): void {
    this.#enteredMs = Date.now();
    const { paths } = recipe;
    const isSame = this.#ruleset?.paths === paths && this.#ruleset.file === undefined && file === undefined;
    if (!this.#ruleset || !isSame) {
      this.#ruleset?.made[Symbol.dispose]();
      this.#ruleset = undefined;
      this.#ruleset = { paths, file, made: this.#makeRuleset(recipe, file) };
    }
    this.#restriction = { ruleset: this.#ruleset.made.fd, proof };
  }

  /** Whether a change from now on could be told from the making. */
  isSettled(now = Date.now()): boolean {
    return now - Number(this.#madeNs / 1_000_000n) > CLOCK_STEP_MS;
  }

  /** Whether the folder is as we made it, for certain: its entries, its mode, all that a file can have. */
  isUntouched(): boolean {
    return this.isSettled(this.#enteredMs) && factsOf(this.#directory.fd).changedAtNs === this.#madeNs;
  }

  /**
   * Whether the folder is still where we made it, with nothing mounted on it.
   * @throws {ErrnoError} EMFILE, ENFILE.
   */
  isThere(): boolean {
    return this.root.directory.inodeAt(`${this.name}/${INSIDE}`) === this.#inode;
  }

  /** Closes what it has open. The folder stays. */
  [Symbol.dispose](): void {
    this.#ruleset?.made[Symbol.dispose]();
    this.#directory[Symbol.dispose]();
  }

  #makeRuleset({ handled, paths, ports }: Recipe, file: number | undefined): Ruleset {
    using opened = new DisposableStack();
    const ruleset = opened.use(new Ruleset(handled));
    for (const rule of [...paths, ...ports]) ruleset.add(rule);
    ruleset.add(pathRule(this.#directory.fd, "directory", PATH_ACCESS["--rw"] & handled.fs));
    if (file !== undefined) ruleset.add(pathRule(file, "file", PATH_ACCESS["--exec"] & handled.fs));
    opened.move();
    return ruleset;
  }
}

/** Removes the two folders of a confinement, with all that is in them. @returns Whether they are gone. */
export async function removeFolder(
  { directory, path }: TempRoot,
  name: string,
  owner: number,
  removals: Removals,
): Promise<boolean> {
  const isGone = await removals.remove({
    open: () => directory.openChild(name),
    path: `${path}/${name}`,
    name: INSIDE,
    owner,
  });
  return isGone && directory.removeDirectory(name);
}

/** Makes the two folders. @returns The inner one. @throws {ErrnoError} And then neither is left. */
function makeFolder({ directory }: TempRoot, name: string, owner: Owner): Directory {
  directory.makeDirectory(name, PASSABLE);
  try {
    using around = directory.openChild(name);
    around.changeMode(PASSABLE); // Whatever the umask.
    around.makeDirectory(INSIDE, 0o700);
    using opened = new DisposableStack();
    const inside = opened.use(around.openChild(INSIDE));
    if (owner.uid !== effectiveUid()) inside.changeOwner(owner.uid, owner.gid);
    opened.move();
    return inside;
  } catch (error) {
    for (const path of [`${name}/${INSIDE}`, name]) directory.removeDirectory(path); // Nobody else's yet.
    throw error;
  }
}
