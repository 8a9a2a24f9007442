import { ErrnoError } from "../../sys/errno.ts";
import { type Handled, handledBy, portRule, type Rule } from "../../sys/landlock.ts";
import { effectiveGid, effectiveUid } from "../../sys/processes/process.ts";
import { hasHeadroom } from "../../sys/files/reserve.ts";
import type { Restriction } from "../../sys/spawn/mod.ts";
import type { Reactor } from "../reactor.ts";
import { atMost } from "../../sys/waiting/deadline.ts";
import { Cell, INSIDE, type Owner, type Recipe } from "./confinement.ts";
import { realPathWithin } from "./look_up.ts";
import { removeOrphans } from "./orphans.ts";
import { OpenPaths, RuleError, START_MS } from "./paths.ts";
import { Removals } from "./removals.ts";
import { PORT_ACCESS, type SandboxSettings } from "../../run/sandbox_rules.ts";
import { TempPlace } from "./temp_root.ts";

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

export interface SandboxHost {
  reactor: Reactor;
  warn(message: string, fields: Record<string, unknown>): void;
}

/** Confines each job by Landlock to the rules, and to a temporary folder that no other job has. */
export class Sandbox implements AsyncDisposable {
  readonly #settings: SandboxSettings;
  readonly #host: SandboxHost;
  readonly #handled: Handled;
  readonly #self: Owner = { uid: effectiveUid(), gid: effectiveGid() };
  readonly #paths: OpenPaths;
  readonly #removals: Removals;
  /** Cells in which no job has left anything, the oldest first. */
  readonly #free: Cell[] = [];
  /** Places that somebody removed, or took elsewhere. */
  readonly #lost: TempPlace[] = [];
  readonly #cleaning: Promise<void>;
  #place: TempPlace;
  #seal = "";
  #recipe: { of: readonly Rule[]; made: Recipe } | undefined;
  #lookedAt = performance.now();
  #cellCount = 0;
  #reuse: "no cell" | "untouched cells" = "no cell";

  private constructor(settings: SandboxSettings, paths: OpenPaths, place: TempPlace, host: SandboxHost) {
    const { abi, tempDirectory } = settings;
    this.#settings = settings;
    this.#host = host;
    this.#handled = handledBy(abi);
    this.#paths = paths;
    this.#place = place;
    this.#removals = new Removals({ ...host, abi, seal: () => this.#seal });
    this.#seal = place.seal();
    this.#cleaning = removeOrphans(tempDirectory, this.#removals);
  }

  /** @throws {RuleError} If a rule can't be kept, or no temporary folder can be made. */
  static async open(settings: SandboxSettings, host: SandboxHost): Promise<Sandbox> {
    const { rules, abi } = settings;
    const silent = (rule: string) => host.warn("the path of a rule does not answer", { rule });
    const paths = await OpenPaths.open(rules.paths, host.reactor, silent);
    try {
      paths.rules(handledBy(abi).fs); // Each can be kept.
      const tempDirectory = await realPathWithin(START_MS, settings.tempDirectory, host.reactor);
      return new Sandbox({ ...settings, tempDirectory }, paths, TempPlace.make(tempDirectory), host);
    } catch (error) {
      paths[Symbol.dispose]();
      if (!(error instanceof ErrnoError)) throw error;
      const reason = `Cannot make temporary folders in ${settings.tempDirectory}: ${error.message}`;
      throw new RuleError(`${reason}; name another place by TMPDIR`, { cause: error });
    }
  }

  /** Where the paths of the rules, and the temporary folders, really are: without links. */
  get places(): { rules: string[]; tempDirectory: string } {
    return { rules: this.#paths.realPaths(), tempDirectory: this.#settings.tempDirectory };
  }

  /**
   * Looks up the rules' paths again, if that is due. To be called before jobs enter.
   * @returns What is to be waited for first, a moment at most; `undefined` if nothing is.
   */
  prepare(): Promise<void> | undefined {
    if (performance.now() - this.#lookedAt <= OPENED_MS) return undefined;
    return this.#paths.look()?.then(() => this.#looked()) ?? this.#looked();
  }

  /**
   * @param owner Who the job runs as; `undefined`: the daemon's own user.
   * @throws {RuleError} If a rule can't be kept any more.
   * @throws {ErrnoError} If there is no room for another folder or descriptor.
   */
  enter(owner: Owner = this.#self): Confinement {
    this.#keepPlace();
    const recipe = this.#currentRecipe();
    const cell = this.#takeFree(owner) ?? this.#makeCell(owner);
    try {
      const restriction = { ruleset: cell.enter(recipe), proof: this.#seal };
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

  /** Gives up what is kept for jobs to come: each cell has two descriptors open. */
  spare(): void {
    for (const cell of this.#free.splice(0)) this.#discard(cell);
  }

  /**
   * The job is over.
   * @param left Whether a process of it may live still: then nobody else gets its cell.
   */
  leave({ cell }: Confinement, left: "nothing" | "perhaps something"): void {
    if (this.#reuse === "untouched cells" && left === "nothing" && this.#free.length < FREE_CELLS) {
      if (cell.isUntouched()) return void this.#free.push(cell);
      this.#provide(cell.owner);
    }
    this.#discard(cell);
  }

  /** To be called when no job runs any more. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.spare();
    await atMost(STOP_MS, this.#cleaning.then(() => this.#removals.idle()));
    this.#removals.stop();
    for (const place of [this.#place, ...this.#lost]) {
      place.remove();
      place[Symbol.dispose]();
    }
    this.#paths[Symbol.dispose]();
  }

  #looked(): undefined {
    this.#lookedAt = performance.now();
  }

  /** @throws {RuleError | ErrnoError} If a rule can't be kept any more; EMFILE, ENFILE, ENOMEM. */
  #currentRecipe(): Recipe {
    const of = this.#paths.rules(this.#handled.fs);
    if (this.#recipe?.of !== of) {
      const rules = [...of, ...portRules(this.#settings, this.#handled)];
      this.#recipe = { of, made: { handled: this.#handled, rules } };
    }
    return this.#recipe.made;
  }

  /** Sees to it that there is a place for cells, and its seal in it, if somebody has removed one of them. */
  #keepPlace() {
    if (this.#place.isWhole()) return;
    try {
      this.#seal = this.#place.seal();
      if (this.#place.isWhole()) return;
    } catch (error) {
      if (!(error instanceof ErrnoError && error.is("ENOENT"))) throw error;
    }
    const { path } = this.#place;
    const place = TempPlace.make(this.#settings.tempDirectory);
    this.#lost.push(this.#place);
    this.#place = place;
    this.#seal = place.seal();
    this.#host.warn("the folder of the jobs' temporary folders was made anew", {
      lost: path,
      made: place.path,
    });
  }

  #takeFree({ uid, gid }: Owner): Cell | undefined {
    for (;;) {
      const index = this.#free.findIndex((cell) =>
        cell.owner.uid === uid && cell.owner.gid === gid && cell.isSettled()
      );
      const [cell] = index < 0 ? [] : this.#free.splice(index, 1);
      if (!cell || cell.place === this.#place && cell.isThere()) return cell;
      this.#discard(cell);
    }
  }

  #makeCell(owner: Owner): Cell {
    return new Cell(this.#place, `${++this.#cellCount}.${owner.uid}`, owner);
  }

  /** Makes a cell for a job to come: one that is settled by then can be used again and again. */
  #provide(owner: Owner) {
    try {
      const cell = this.#makeCell(owner);
      if (hasHeadroom(cell.fd)) this.#free.push(cell);
      else this.#discard(cell);
    } catch (error) {
      if (!(error instanceof ErrnoError)) throw error; // The next job will say so.
    }
  }

  #discard(cell: Cell) {
    const { place, name, owner } = cell;
    cell[Symbol.dispose]();
    const folder = {
      open: () => place.directory.openChild(name),
      path: `${place.path}/${name}`,
      name: INSIDE,
      owner: owner.uid,
    };
    this.#removals.remove(folder).then((isGone) => {
      if (isGone) place.directory.removeDirectory(name);
    });
  }
}

/** Those that this kernel can keep. */
function portRules({ rules: { ports } }: SandboxSettings, { net }: Handled): Rule[] {
  const allowed = ports.map(({ option, port }) => ({ port, access: PORT_ACCESS[option] & net }));
  return allowed.filter(({ access }) => access !== 0).map(({ port, access }) => portRule(port, access));
}
