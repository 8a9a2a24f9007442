import { Directory } from "../../sys/files/directory.ts";
import { ErrnoError, type ErrnoName } from "../../sys/errno.ts";
import { factsOf } from "../../sys/files/facts.ts";
import { listKernelDirectory } from "../../sys/files/kernel_files.ts";
import { effectiveUid } from "../../sys/processes/process.ts";

const PREFIX = "filed-sandbox-";
export const SEAL = "seal";
/** Others pass through, to folders that they know of. */
export const PASSABLE = 0o711;

/**
 * The folder in which the jobs of one daemon have their private temporary folders: locked, flock(2), for as long as that daemon
 * lives, so that a later one knows what is nobody's. (And systemd-tmpfiles leaves alone what is locked.)
 */
export class TempPlace implements Disposable {
  private constructor(
    readonly path: string,
    readonly directory: Directory,
    readonly around: Directory,
    readonly name: string,
  ) {}

  /** @param parent Such as /tmp. @throws {ErrnoError} If nothing can be made there. */
  static make(parent: string): TempPlace {
    for (;;) {
      const around = Directory.open(parent);
      const place = TempPlace.#makeIn(around, parent);
      if (place) return place;
      around[Symbol.dispose]();
    }
  }

  /** What a dead daemon has left, held as by a living one. @returns `undefined` for what is not that. */
  static take(parent: string, name: string): TempPlace | undefined {
    const around = Directory.open(parent);
    const directory = openOurs(around, name);
    if (directory?.tryLock()) return new TempPlace(`${parent}/${name}`, directory, around, name);
    directory?.[Symbol.dispose]();
    around[Symbol.dispose]();
    return undefined;
  }

  /**
   * Sees to it that there is something which sandboxed jobs can't rename, whatever else they may: no rule allows to make a device
   * node, and that is what renaming one takes. Where there can be no such node, a directory does, as long as no rule
   * is for what is around it.
   * @returns Its path.
   * @throws {ErrnoError} If neither can be made.
   */
  seal(): string {
    if (!make(() => this.directory.makeWhiteout(SEAL), "EPERM")) {
      make(() => this.directory.makeDirectory(SEAL, 0o700));
    }
    return `${this.path}/${SEAL}`;
  }

  /**
   * Whether it is still where it was made, with its seal: somebody may have removed it.
   * @throws {ErrnoError} EMFILE, ENFILE.
   */
  isWhole(): boolean {
    return isAt(this.around, this.name, this.directory) && this.directory.inodeAt(SEAL) !== undefined;
  }

  /** Removes it, if nothing but the seal is in it. */
  remove(): void {
    if (!this.directory.removeFile(SEAL)) this.directory.removeDirectory(SEAL);
    if (isAt(this.around, this.name, this.directory)) this.around.removeDirectory(this.name);
  }

  [Symbol.dispose](): void {
    this.directory[Symbol.dispose]();
    this.around[Symbol.dispose]();
  }

  /** @returns `undefined` if another daemon that starts just now has taken it for a dead one's. */
  static #makeIn(around: Directory, parent: string): TempPlace | undefined {
    const name = PREFIX + crypto.randomUUID().slice(0, 8);
    let directory: Directory | undefined;
    try {
      around.makeDirectory(name, 0o700);
      directory = openOurs(around, name);
      if (!directory?.tryLock() || !isAt(around, name, directory)) return undefined;
      directory.changeMode(PASSABLE);
      const place = new TempPlace(`${parent}/${name}`, directory, around, name);
      directory = undefined; // It is the place's.
      return place;
    } catch (error) {
      if (error instanceof ErrnoError) around[Symbol.dispose]();
      throw error;
    } finally {
      directory?.[Symbol.dispose]();
    }
  }
}

/** The names of what dead daemons may have left, and of what looks like it. */
export function placesIn(parent: string): string[] {
  try {
    return listKernelDirectory(parent).map(({ name }) => name).filter((name) => name.startsWith(PREFIX));
  } catch (error) {
    if (error instanceof ErrnoError) return []; // It may not be listed.
    throw error;
  }
}

/** @returns `undefined` if it is gone, or not a directory of this user: a link, a FIFO, a mount point. */
function openOurs(around: Directory, name: string): Directory | undefined {
  try {
    const directory = around.openChild(name);
    if (factsOf(directory.fd).uid === effectiveUid()) return directory;
    directory[Symbol.dispose]();
  } catch (error) {
    if (!(error instanceof ErrnoError)) throw error;
  }
  return undefined;
}

function isAt(around: Directory, name: string, directory: Directory): boolean {
  return around.inodeAt(name) === factsOf(directory.fd).inode;
}

/** @returns Whether it is there; not if `refusal` is the reason. */
function make(act: () => void, refusal?: ErrnoName): boolean {
  try {
    act();
    return true;
  } catch (error) {
    if (!(error instanceof ErrnoError)) throw error;
    if (error.is("EEXIST")) return true;
    if (refusal && error.is(refusal)) return false;
    throw error;
  }
}
