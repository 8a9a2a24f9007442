import type { Directory } from "../../sys/files/directory.ts";
import { ErrnoError } from "../../sys/errno.ts";
import { ACCESS_FS, handledBy, pathRule, Ruleset } from "../../sys/landlock.ts";
import { isRoot } from "../../sys/processes/process.ts";
import type { Reactor } from "../reactor.ts";
import { delay } from "../../run/waiting.ts";
import { atMost } from "../../sys/waiting/deadline.ts";
import { detach, listMounts, outermostBelow } from "./foreign_mounts.ts";
import { Helper } from "./helper.ts";

/** A process of the job that still runs may put something there meanwhile: we try again. */
const PASSES = 5;
const PASS_MS = 200;
/** How many folders of one user one helper removes, so that a burst of jobs is no burst of helpers. */
const BATCH = 64;
/**
 * After this we look whether something is mounted there that does not answer; and later again, ever more
 * seldom.
 */
const FIRST_LOOK_MS = 500;
const LONGEST_LOOK_MS = 30_000;

const REMOVING = ACCESS_FS.REMOVE_FILE | ACCESS_FS.REMOVE_DIR;
/** Rights that a helper has everywhere: they change nothing. */
const HARMLESS = ACCESS_FS.EXECUTE | ACCESS_FS.READ_FILE | ACCESS_FS.READ_DIR | ACCESS_FS.IOCTL_DEV;

/** rm(1) follows no link, goes to any depth, and enters no mount with this option. */
const REMOVE = 'rm -rf --one-file-system -- "$@"';
/**
 * An ordinary user's folders may be closed to that user. There a link in the way does no harm: all is that
 * user's. Root needs no modes changed.
 */
const LOOSEN = 'find "$@" -xdev -type d ! -perm -700 -execdir chmod 700 {} \\;';
const REMOVE_OWN = `${REMOVE} || { ${LOOSEN}; ${REMOVE}; }`;

/** A folder to remove, with all that a job has made of it. */
interface Doomed {
  /** Opens the folder of ours that it is in. @throws {ErrnoError} If that is gone, or can't be opened. */
  open(): Directory;
  /** Of the folder of ours. */
  path: string;
  name: string;
  /** Who can keep the removal from coming to an end. `undefined`: not known. */
  owner: number | undefined;
}

interface RemovalTools {
  reactor: Reactor;
  /**
   * How helpers are kept to the folders: by this version of Landlock. `undefined`: not at all, where there is
   * no folder of another user that they could be led out of.
   */
  confined: {
    abi: number;
    /** The path of what sandboxed processes can't rename. */
    proof(): string;
  } | undefined;
  /** For the warning: `a job's temporary folder`. */
  what: string;
  warn(message: string, fields: Record<string, unknown>): void;
}

/**
 * Removes what jobs leave: of any depth, with any names, while something still writes to it.
 *
 * Only helpers touch it, processes that can remove beneath the folder and change nothing elsewhere. For who
 * owns a folder can lock it for ever, or mount there what never answers, and not even SIGKILL ends such a
 * wait. The folders of one user are removed one after another, so nobody waits for another user.
 */
export class Removals {
  readonly #tools: RemovalTools;
  readonly #lanes = new Map<number | undefined, Lane>();

  constructor(tools: RemovalTools) {
    this.#tools = tools;
  }

  /** @returns Whether all of it is gone. */
  remove(doomed: Doomed): Promise<boolean> {
    const lane = this.#lanes.get(doomed.owner) ?? this.#open(doomed.owner);
    return lane.add(doomed);
  }

  /** Resolves once nothing is left to be removed. */
  async idle(): Promise<void> {
    while (this.#lanes.size > 0) await Promise.all([...this.#lanes.values()].map(({ over }) => over));
  }

  /** Gives up what is not done. From then on we open no folder. */
  stop(): void {
    for (const lane of this.#lanes.values()) lane.stop();
  }

  #open(owner: number | undefined): Lane {
    const lane = new Lane(this.#tools, () => this.#lanes.delete(owner));
    this.#lanes.set(owner, lane);
    return lane;
  }
}

interface Waiting extends Doomed {
  resolve(isGone: boolean): void;
}

/** The removals of one user. */
class Lane {
  readonly #tools: RemovalTools;
  readonly #waiting: Waiting[] = [];
  #helper: Helper | undefined;
  #isStopped = false;
  readonly over: Promise<void>;

  /** @param onOver Called when nothing waits any more: what is added later would be lost. */
  constructor(tools: RemovalTools, onOver: () => void) {
    this.#tools = tools;
    this.over = Promise.resolve().then(() => this.#run(onOver));
  }

  add(doomed: Doomed): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    this.#waiting.push({ ...doomed, resolve });
    return promise;
  }

  stop(): void {
    this.#isStopped = true;
    this.#helper?.kill();
  }

  async #run(onOver: () => void) {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, BATCH);
      const areGone = await this.#try(batch);
      for (const doomed of batch) doomed.resolve(areGone || await this.#insist(doomed));
    }
    onOver();
  }

  async #insist(doomed: Doomed): Promise<boolean> {
    for (let pass = 1; pass <= PASSES && !this.#isStopped; pass++) {
      if (pass > 1) await delay(PASS_MS);
      if (await this.#try([doomed])) return true;
    }
    const folder = pathOf(doomed);
    if (!this.#isStopped) this.#tools.warn(`cannot remove ${this.#tools.what}`, { folder });
    return false;
  }

  /** @returns Whether they are gone. */
  async #try(batch: readonly Doomed[]): Promise<boolean> {
    try {
      return !this.#isStopped && await this.#tryAll(batch) && !this.#isStopped;
    } catch (error) {
      if (error instanceof ErrnoError) return false; // There can be no descriptor or process just now.
      throw error;
    }
  }

  async #tryAll(batch: readonly Doomed[]): Promise<boolean> {
    // rm(1) would enter the same file system, mounted there a second time.
    if (await this.#detachAll(batch) && mountsIn(batch).length > 0) return false;
    if (this.#isStopped) return false;
    const helper = this.#helper = this.#startHelper(batch);
    try {
      for (let lookMs = FIRST_LOOK_MS; !await atMost(lookMs, helper.succeeded);) {
        if (this.#isStopped) return false;
        if (await this.#detachAll(batch)) helper.kill();
        lookMs = Math.min(2 * lookMs, LONGEST_LOOK_MS);
      }
      return await helper.succeeded;
    } finally {
      this.#helper = undefined;
    }
  }

  /**
   * Opens nothing once we are stopped, as the root is closed then.
   * @returns Whether anything was mounted at or below the folders.
   */
  async #detachAll(batch: readonly Doomed[]): Promise<boolean> {
    const found = mountsIn(batch);
    for (const { doomed, mounted } of found) {
      if (this.#isStopped) break;
      using around = doomed.open();
      await detach(mounted, around, doomed.path, doomed.owner);
    }
    return found.length > 0;
  }

  #startHelper(batch: readonly Doomed[]): Helper {
    const { confined, reactor } = this.#tools;
    const script = isRoot() ? REMOVE : REMOVE_OWN;
    if (!confined) return new Helper([script, ...batch.map(pathOf)], undefined, reactor);
    const handled = handledBy(confined.abi).fs & ~HARMLESS;
    using ruleset = new Ruleset({ fs: handled, net: 0, scoped: 0 });
    const paths = batch.filter((doomed) => allow(ruleset, doomed, REMOVING & handled)).map(pathOf);
    return new Helper([script, ...paths], { ruleset: ruleset.fd, proof: confined.proof() }, reactor);
  }
}

function pathOf({ path, name }: Doomed): string {
  return `${path}/${name}`;
}

/** What is mounted at or below the folders. */
function mountsIn(batch: readonly Doomed[]) {
  const mounts = listMounts();
  return batch.flatMap((doomed) =>
    outermostBelow(pathOf(doomed), mounts).map((mounted) => ({ doomed, mounted }))
  );
}

/** @returns Whether there is anything to remove. */
function allow(ruleset: Ruleset, doomed: Doomed, access: number): boolean {
  try {
    using directory = doomed.open();
    ruleset.add(pathRule(directory.fd, "directory", access));
    return true;
  } catch (error) {
    if (error instanceof ErrnoError && error.is("ENOENT")) return false;
    throw error;
  }
}
