import { Directory } from "../../sys/files/directory.ts";
import { ErrnoError } from "../../sys/errno.ts";
import { factsOf } from "../../sys/files/facts.ts";
import { listKernelDirectory } from "../../sys/files/kernel_files.ts";
import { effectiveUid } from "../../sys/processes/process.ts";
import { unlessRefused } from "../unless_refused.ts";

const PREFIX = "filed-sandbox-";
export const PROOF = "proof";
/** Others pass through, to folders that they know of. */
export const PASSABLE = 0o711;

/**
 * The directory in which the jobs of one daemon have their temporary folders. We lock it, flock(2), for as
 * long as we live: a later daemon removes what nobody has locked, and systemd-tmpfiles leaves alone what
 * somebody has.
 */
export class TempRoot implements Disposable {
  private constructor(
    readonly path: string,
    readonly directory: Directory,
    readonly around: Directory,
    readonly name: string,
  ) {}

  /** @param parent Such as /tmp. @throws {ErrnoError} If nothing can be made there. */
  static make(parent: string): TempRoot {
    for (;;) {
      using opened = new DisposableStack();
      const around = opened.use(Directory.open(parent));
      const name = PREFIX + crypto.randomUUID().slice(0, 8);
      around.makeDirectory(name, 0o700);
      const directory = opened.use(openOurs(around, name));
      // A daemon that starts just now may take it for a dead one's.
      if (!directory?.tryLock() || !isAt(around, name, directory)) continue;
      directory.changeMode(PASSABLE);
      opened.move();
      return new TempRoot(`${parent}/${name}`, directory, around, name);
    }
  }

  /** Takes over the root of a dead daemon. @returns `undefined` for what is not that. @throws {ErrnoError} */
  static take(parent: string, name: string): TempRoot | undefined {
    using opened = new DisposableStack();
    const around = opened.use(Directory.open(parent));
    const directory = opened.use(openOurs(around, name));
    if (!directory?.tryLock()) return undefined;
    opened.move();
    return new TempRoot(`${parent}/${name}`, directory, around, name);
  }

  /**
   * Makes what sandboxed jobs can't rename, whatever their rules say, if it is not there: a device node,
   * since no rule allows to make one, which renaming it takes too. Where there can be no such node, a
   * directory does, as long as no rule is for what is around it.
   * @returns Its path.
   * @throws {ErrnoError} If neither can be made: ENOENT if the root is gone.
   */
  makeProof(): string {
    if (this.directory.inodeAt(PROOF) === undefined) {
      try {
        this.directory.makeWhiteout(PROOF);
      } catch (error) {
        if (!(error instanceof ErrnoError && error.is("EPERM"))) throw error;
        this.directory.makeDirectory(PROOF, 0o700);
      }
    }
    return `${this.path}/${PROOF}`;
  }

  /**
   * Whether it is still where we made it, with its proof: somebody may have removed them.
   * @throws {ErrnoError} EMFILE, ENFILE.
   */
  isWhole(): boolean {
    return isAt(this.around, this.name, this.directory) && this.directory.inodeAt(PROOF) !== undefined;
  }

  /** Removes it, if nothing but the proof is in it. */
  remove(): void {
    if (!this.directory.removeFile(PROOF)) this.directory.removeDirectory(PROOF);
    if (isAt(this.around, this.name, this.directory)) this.around.removeDirectory(this.name);
  }

  [Symbol.dispose](): void {
    this.directory[Symbol.dispose]();
    this.around[Symbol.dispose]();
  }
}

/** The names of the roots that dead daemons may have left, and of what looks like one. */
export function rootsIn(parent: string): string[] {
  const entries = unlessRefused(() => listKernelDirectory(parent)) ?? []; // Its mode may forbid to list it.
  return entries.map(({ name }) => name).filter((name) => name.startsWith(PREFIX));
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
