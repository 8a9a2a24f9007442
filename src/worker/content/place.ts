import { ErrnoError } from "../../sys/errno.ts";
import type { Directory } from "../../sys/files/directory.ts";
import { factsOf } from "../../sys/files/facts.ts";
import { changeMode, changeOwner, close, openPathItself, writeAll } from "../../sys/files/file.ts";
import { isOurs, othersMayReplace, printMode } from "../../sys/files/ownership.ts";
import { strerror } from "../../sys/libc.ts";
import { atMost } from "../../sys/waiting/deadline.ts";
import { LockedFolder, PASSABLE } from "../locked_folder.ts";
import type { Reactor } from "../reactor.ts";
import { Helper } from "../sandbox/helper.ts";
import { realPathWithin } from "../sandbox/look_up.ts";
import { NOTHING, NOWHERE, OwnProcess } from "../start/own_process.ts";

/** What the names of our folders begin with. */
export const PREFIX = "filed-exec-";
/** A place is given up that does not answer for so long: the first script waits for it. */
const PATIENCE_MS = 2_000;
const OTHERS_PASS = 0o001;
const RUNNABLE = 0o500;
const TRIAL = { name: "trial", bytes: new TextEncoder().encode("#!/bin/sh\n") };
/** Looks for what is not there, since a server has to be asked for that each time. */
const ASK = 'cd -- "$1" && ! [ -e "$2" ]';

/** Why a directory will not do. */
interface Unfit {
  unfit: string;
  /** It may have room another time. */
  isFull?: boolean;
}

/** A directory in which we may have files that jobs execute. */
export class Place implements Disposable {
  readonly #directory: string;
  #root: LockedFolder | undefined;
  /** Those that somebody removed, or took elsewhere. */
  readonly #lost: LockedFolder[] = [];

  private constructor(directory: string, readonly reach: "own user" | "everyone") {
    this.#directory = directory;
  }

  /**
   * Tries a directory out.
   * @returns Why it will not do: it is another user's, does not answer, is mounted with noexec, or full.
   * @throws {ErrnoError} If that can't be told now, for want of something.
   */
  static async tryOut(directory: string, reactor: Reactor): Promise<Place | Unfit> {
    try {
      const real = await realPathWithin(PATIENCE_MS, directory, reactor);
      using helper = new Answering([ASK, real, crypto.randomUUID()], reactor);
      if (!await helper.answersWell()) return { unfit: "it does not answer, or can't be entered" };
      const found = reachOf(real);
      if (typeof found !== "string") return found;
      using opened = new DisposableStack();
      const place = opened.use(new Place(real, found));
      if (!await place.#executes(reactor)) return { unfit: "nothing there can be executed (noexec)" };
      opened.move();
      return place;
    } catch (error) {
      if (!(error instanceof ErrnoError) || isShortage(error)) throw error;
      return { unfit: strerror(error.errno), isFull: error.is("ENOSPC", "EDQUOT") };
    }
  }

  /** Our folder there, made if it is not there. @throws {ErrnoError} If it can't be made. */
  root(): LockedFolder {
    if (this.#root?.isThere()) return this.#root;
    if (this.#root) this.#lost.push(this.#root);
    this.#root = undefined;
    return this.#root = LockedFolder.make(this.#directory, PREFIX);
  }

  [Symbol.dispose](): void {
    for (const root of [...this.#lost, ...this.#root ? [this.#root] : []]) {
      root.remove();
      root[Symbol.dispose]();
    }
    this.#root = undefined;
    this.#lost.length = 0;
  }

  async #executes(reactor: Reactor): Promise<boolean> {
    const { path, directory } = this.root();
    try {
      writeFile(directory, TRIAL.name, TRIAL.bytes, undefined);
      const trial = new OwnProcess({
        path: `${path}/${TRIAL.name}`,
        program: "just written",
        args: [TRIAL.name],
        fds: [NOTHING, NOWHERE, NOWHERE],
      }, reactor);
      if (!await atMost(PATIENCE_MS, trial.ended)) {
        trial.kill();
        return false;
      }
      const exit = await trial.ended;
      return exit?.kind === "exited" && exit.status === 0;
    } finally {
      directory.removeFile(TRIAL.name);
    }
  }
}

/** A helper that asks, and is ended if nobody answers. */
class Answering implements Disposable {
  readonly #helper: Helper;

  constructor(script: [string, ...string[]], reactor: Reactor) {
    this.#helper = new Helper(script, undefined, reactor);
  }

  async answersWell(): Promise<boolean> {
    return await atMost(PATIENCE_MS, this.#helper.succeeded) && await this.#helper.succeeded;
  }

  [Symbol.dispose](): void {
    this.#helper.kill();
  }
}

/**
 * Makes a file that can be executed and read, by that user alone.
 * @param owner `undefined`: it is ours.
 * @throws {ErrnoError} And then there is none.
 */
export function writeFile(
  directory: Directory,
  name: string,
  bytes: Uint8Array,
  owner: { uid: number; gid: number } | undefined,
): void {
  const fd = directory.makeFile(name);
  try {
    using file = new DisposableStack();
    file.adopt(fd, close);
    writeAll(fd, bytes);
    changeMode(fd, RUNNABLE);
    if (owner) changeOwner(fd, owner.uid, owner.gid);
  } catch (error) {
    directory.removeFile(name);
    throw error;
  }
}

/** Makes a folder of ours for one file, through which others pass. @throws {ErrnoError} And then there is none. */
export function makePassableFolder(directory: Directory, name: string): Directory {
  directory.makeDirectory(name, PASSABLE);
  try {
    using opened = new DisposableStack();
    const folder = opened.use(directory.openChild(name));
    folder.changeMode(PASSABLE); // Whatever the umask.
    opened.move();
    return folder;
  } catch (error) {
    directory.removeDirectory(name);
    throw error;
  }
}

/**
 * Whose jobs find what is in a directory; or whom we would have to trust. Who may replace what is on the way
 * to a file would choose what a job executes.
 */
export function reachOf(path: string): Place["reach"] | Unfit {
  let reach: Place["reach"] = "everyone";
  const system = factsAt("/").uid; // Also where a user namespace does not know that user.
  for (let above = path;; above = above.slice(0, above.lastIndexOf("/")) || "/") {
    const facts = factsAt(above);
    if (!isOurs(facts) && facts.uid !== system) return { unfit: `${above} belongs to uid ${facts.uid}` };
    if (othersMayReplace(facts)) {
      return { unfit: `others may replace what is in ${above} (mode ${printMode(facts)})` };
    }
    if ((facts.mode & OTHERS_PASS) === 0) reach = "own user";
    if (above === "/") return reach;
  }
}

function factsAt(path: string) {
  const fd = openPathItself(path);
  try {
    return factsOf(fd);
  } finally {
    close(fd);
  }
}

function isShortage(error: ErrnoError): boolean {
  return error.is("EAGAIN", "EMFILE", "ENFILE", "ENOMEM");
}
