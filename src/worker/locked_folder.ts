import { Directory } from "../sys/files/directory.ts";
import { factsOf } from "../sys/files/facts.ts";
import { listKernelDirectory } from "../sys/files/kernel_files.ts";
import { effectiveUid } from "../sys/processes/process.ts";
import { unlessRefused } from "./unless_refused.ts";

/** Others pass through, to what they know of. */
export const PASSABLE = 0o711;

/**
 * A folder of ours in a directory where others may have theirs, such as /tmp. We lock it, flock(2), for as
 * long as we live: a later daemon removes what nobody has locked, and systemd-tmpfiles leaves alone what
 * somebody has.
 */
export class LockedFolder implements Disposable {
  private constructor(
    readonly path: string,
    readonly directory: Directory,
    readonly around: Directory,
    readonly name: string,
  ) {}

  /**
   * @param parent Such as /tmp.
   * @param prefix What its name begins with.
   * @throws {ErrnoError} If nothing can be made there.
   */
  static make(parent: string, prefix: string): LockedFolder {
    for (;;) {
      using opened = new DisposableStack();
      const around = opened.use(Directory.open(parent));
      const name = prefix + crypto.randomUUID().slice(0, 8);
      around.makeDirectory(name, 0o700);
      const directory = opened.use(openOurs(around, name));
      // A daemon that starts just now may take it for a dead one's.
      if (!directory?.tryLock() || !isAt(around, name, directory)) continue;
      directory.changeMode(PASSABLE);
      opened.move();
      return new LockedFolder(pathIn(parent, name), directory, around, name);
    }
  }

  /** Takes over that of a dead daemon. @returns `undefined` for what is not that. @throws {ErrnoError} */
  static take(parent: string, name: string): LockedFolder | undefined {
    using opened = new DisposableStack();
    const around = opened.use(Directory.open(parent));
    const directory = opened.use(openOurs(around, name));
    if (!directory?.tryLock()) return undefined;
    opened.move();
    return new LockedFolder(pathIn(parent, name), directory, around, name);
  }

  /**
   * Whether it is still where we made it: somebody may have removed it.
   * @throws {ErrnoError} EMFILE, ENFILE.
   */
  isThere(): boolean {
    return isAt(this.around, this.name, this.directory);
  }

  /** Removes it, if nothing is in it. */
  remove(): void {
    if (this.isThere()) this.around.removeDirectory(this.name);
  }

  [Symbol.dispose](): void {
    this.directory[Symbol.dispose]();
    this.around[Symbol.dispose]();
  }
}

/** The names of those that dead daemons may have left, and of what looks like one. */
export function foldersIn(parent: string, prefix: string): string[] {
  const entries = unlessRefused(() => listKernelDirectory(parent)) ?? []; // Its mode may forbid to list it.
  return entries.map(({ name }) => name).filter((name) => name.startsWith(prefix));
}

function pathIn(parent: string, name: string): string {
  return parent === "/" ? `/${name}` : `${parent}/${name}`;
}

/** @returns `undefined` if it is gone, or not a directory of this user: a link, a FIFO, a mount point. */
function openOurs(around: Directory, name: string): Directory | undefined {
  return unlessRefused(() => {
    using opened = new DisposableStack();
    const directory = opened.use(around.openChild(name));
    if (factsOf(directory.fd).uid !== effectiveUid()) return undefined;
    opened.move();
    return directory;
  });
}

function isAt(around: Directory, name: string, directory: Directory): boolean {
  return around.inodeAt(name) === factsOf(directory.fd).inode;
}
