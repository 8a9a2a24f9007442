import type { Directory } from "../../sys/files/directory.ts";
import { ErrnoError } from "../../sys/errno.ts";
import { foldersIn, LockedFolder } from "../locked_folder.ts";

const PREFIX = "filed-sandbox-";
export const PROOF = "proof";

/** The directory in which the jobs of one daemon have their temporary folders. */
export class TempRoot implements Disposable {
  private constructor(readonly folder: LockedFolder) {}

  /** @param parent Such as /tmp. @throws {ErrnoError} If nothing can be made there. */
  static make(parent: string): TempRoot {
    return new TempRoot(LockedFolder.make(parent, PREFIX));
  }

  /** Takes over the root of a dead daemon. @returns `undefined` for what is not that. @throws {ErrnoError} */
  static take(parent: string, name: string): TempRoot | undefined {
    const folder = LockedFolder.take(parent, name);
    return folder && new TempRoot(folder);
  }

  get path(): string {
    return this.folder.path;
  }

  get directory(): Directory {
    return this.folder.directory;
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
    return this.folder.isThere() && this.directory.inodeAt(PROOF) !== undefined;
  }

  /** Removes it, if nothing but the proof is in it. */
  remove(): void {
    if (!this.directory.removeFile(PROOF)) this.directory.removeDirectory(PROOF);
    this.folder.remove();
  }

  [Symbol.dispose](): void {
    this.folder[Symbol.dispose]();
  }
}

/** The names of the roots that dead daemons may have left, and of what looks like one. */
export function rootsIn(parent: string): string[] {
  return foldersIn(parent, PREFIX);
}
