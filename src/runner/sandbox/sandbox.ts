import { ErrnoError } from "../../sys/errno.ts";
import { type Handled, handledBy, portRule, type Rule } from "../../sys/landlock.ts";
import { cString } from "../../sys/libc.ts";
import { effectiveGid, effectiveUid } from "../../sys/process.ts";
import type { Restriction } from "../../sys/restriction.ts";
import { atMost } from "../waiting.ts";
import { Cell, type Owner, type Recipe } from "./cell.ts";
import { OpenPaths, RuleError } from "./paths.ts";
import { removeTree } from "./remove_tree.ts";
import { PORT_ACCESS, type SandboxSettings } from "./rules.ts";
import { removeOrphans, TempPlace } from "./temp_place.ts";

/** What is at a rule's path is looked up again after this. */
const OPENED_MS = 1_000;
/** Cells that are kept for the next jobs. */
const FREE_CELLS = 64;
/** How long the removal of temporary folders may hold up a stop; the next start goes on with it. */
const STOP_MS = 500;

/** What a job that starts now is confined to. */
export interface Confinement {
  restriction: Restriction;
  env: Readonly<Record<string, string>>;
  cell: Cell;
}

/** Confines each job by Landlock to the rules, and to a temporary folder that no other job has. */
export class Sandbox implements AsyncDisposable {
  readonly #settings: SandboxSettings;
  readonly #handled: Handled;
  readonly #self: Owner = { uid: effectiveUid(), gid: effectiveGid() };
  readonly #place: TempPlace;
  /** Cells in which no job has left anything, the oldest first. */
  readonly #free: Cell[] = [];
  readonly #removals = new Set<Promise<unknown>>();
  #open: { paths: OpenPaths; recipe: Recipe; seal: string; at: number };
  #cellCount = 0;
  #reuse: "no cell" | "untouched cells" = "no cell";

  /** @throws {RuleError} If a rule can't be kept, or no temporary folder can be made. */
  constructor(settings: SandboxSettings) {
    this.#settings = settings;
    this.#handled = handledBy(settings.abi);
    const { tempDirectory } = settings;
    try {
      this.#place = TempPlace.make(tempDirectory);
    } catch (error) {
      const reason = `Cannot make temporary folders in ${tempDirectory}: ${(error as Error).message}`;
      throw new RuleError(`${reason}; name another place by TMPDIR`, { cause: error });
    }
    try {
      this.#open = this.#openPaths();
    } catch (error) {
      this.#place[Symbol.asyncDispose]();
      throw error;
    }
    this.#removing(removeOrphans(tempDirectory));
  }

  /**
   * @param owner Who the job runs as; `undefined`: the daemon's own user.
   * @throws {RuleError} If a rule can't be kept any more.
   * @throws {ErrnoError} If there is no room for another folder or descriptor.
   */
  enter(owner: Owner = this.#self): Confinement {
    if (performance.now() - this.#open.at > OPENED_MS) {
      const before = this.#open.paths;
      this.#open = this.#openPaths();
      before[Symbol.dispose]();
    }
    const cell = this.#takeFree(owner) ?? this.#makeCell(owner);
    try {
      const restriction = { ruleset: cell.enter(this.#open.recipe), seal: this.#open.seal };
      return { restriction, cell, env: cell.env };
    } catch (error) {
      this.#discard(cell);
      throw error;
    }
  }

  /** Lets a cell serve again, from now on, if it is as it was: where it can be known that nothing is left of a job. */
  reuseCells(): void {
    this.#reuse = "untouched cells";
  }

  /**
   * The job is over.
   * @param left Whether a process of it may live still: then nobody else gets its cell.
   */
  leave({ cell }: Confinement, left: "nothing" | "perhaps something"): void {
    if (this.#reuse === "untouched cells" && left === "nothing" && this.#free.length < FREE_CELLS) {
      if (cell.isUntouched()) return void this.#free.push(cell);
      this.#prepare(cell.owner);
    }
    this.#discard(cell);
  }

  /** To be called when no job runs any more. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const cell of this.#free.splice(0)) this.#discard(cell);
    const removed = Promise.all(this.#removals).then(() => this.#place[Symbol.asyncDispose]());
    await atMost(STOP_MS, removed);
    this.#open.paths[Symbol.dispose]();
  }

  #openPaths() {
    const { rules: { paths, ports } } = this.#settings;
    const opened = new OpenPaths(paths, this.#handled.fs);
    const rules: Rule[] = [...opened.rules];
    for (const { option, port } of ports) {
      const access = PORT_ACCESS[option] & this.#handled.net;
      if (access !== 0) rules.push(portRule(port, access));
    }
    const recipe = { handled: this.#handled, rules };
    return { paths: opened, recipe, seal: this.#place.seal(), at: performance.now() };
  }

  #takeFree({ uid, gid }: Owner): Cell | undefined {
    const index = this.#free.findIndex((cell) =>
      cell.owner.uid === uid && cell.owner.gid === gid && cell.isSettled()
    );
    return index < 0 ? undefined : this.#free.splice(index, 1)[0];
  }

  #makeCell(owner: Owner): Cell {
    return new Cell(this.#place, String(++this.#cellCount), owner);
  }

  /** Makes a cell for a job to come: one that is settled by then can be used again and again. */
  #prepare(owner: Owner) {
    try {
      this.#free.push(this.#makeCell(owner));
    } catch (error) {
      if (!(error instanceof ErrnoError)) throw error; // The next job will say so.
    }
  }

  #discard(cell: Cell) {
    cell[Symbol.dispose]();
    const name = cString(cell.name);
    if (!this.#place.directory.removeDirectory(name)) this.#removing(removeTree(this.#place.directory, name));
  }

  #removing(removal: Promise<unknown>) {
    this.#removals.add(removal);
    removal.finally(() => this.#removals.delete(removal));
  }
}
