import { Directory } from "../../sys/directory.ts";
import { ErrnoError, type ErrnoName } from "../../sys/errno.ts";
import { factsOf } from "../../sys/facts.ts";
import { listKernelDirectory } from "../../sys/kernel_files.ts";
import { cString } from "../../sys/libc.ts";
import { effectiveUid } from "../../sys/process.ts";
import { removeTree } from "./remove_tree.ts";

const PREFIX = "filed-sandbox-";
const SEAL = "seal";

/**
 * The folder in which the jobs of one daemon have their private temporary folders: locked, flock(2), for as long as that daemon
 * lives, so that a later one knows what is nobody's. (And systemd-tmpfiles leaves alone what is locked.)
 */
export class TempPlace implements AsyncDisposable {
  private constructor(readonly path: string, readonly directory: Directory) {}

  /** @param parent Such as /tmp. @throws {ErrnoError} If nothing can be made there. */
  static make(parent: string): TempPlace {
    for (;;) {
      const path = `${parent}/${PREFIX}${crypto.randomUUID().slice(0, 8)}`;
      {
        using around = Directory.open(parent);
        around.makeDirectory(cString(path.slice(parent.length + 1)), 0o700);
      }
      const directory = openOurs(path);
      // Another daemon that starts just now may have taken it for a dead one's.
      if (directory?.tryLock() && isAt(path, directory)) {
        directory.changeMode(0o711); // Others pass through, to folders that they know of.
        return new TempPlace(path, directory);
      }
      directory?.[Symbol.dispose]();
    }
  }

  /**
   * Sees to it that there is something which sandboxed jobs can't rename, whatever else they may: no rule allows to make a device
   * node, and that is what renaming one takes. Where there can be no such node, a directory does, as long as no rule
   * is for what is around it.
   * @returns Its path.
   * @throws {ErrnoError} If neither can be made.
   */
  seal(): string {
    const name = cString(SEAL);
    if (!make(() => this.directory.makeWhiteout(name), "EPERM")) {
      make(() => this.directory.makeDirectory(name, 0o700));
    }
    return `${this.path}/${SEAL}`;
  }

  /** Removes it, and what is left in it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await removePlace(this.path, this.directory);
  }
}

/** Removes what dead daemons have left. */
export async function removeOrphans(parent: string): Promise<void> {
  for (const path of placesIn(parent)) {
    const directory = openOurs(path);
    if (directory?.tryLock()) await removePlace(path, directory);
    else directory?.[Symbol.dispose]();
  }
}

function placesIn(parent: string): string[] {
  try {
    const names = listKernelDirectory(parent).map(({ name }) => name);
    return names.filter((name) => name.startsWith(PREFIX)).map((name) => `${parent}/${name}`);
  } catch (error) {
    if (error instanceof ErrnoError) return []; // It may not be listed.
    throw error;
  }
}

async function removePlace(path: string, place: Directory): Promise<void> {
  for (let entries = place.list(); entries.length > 0; entries = place.list()) {
    let count = 0;
    for (const { name, isDirectory } of entries) {
      if (await (isDirectory ? removeTree(place, name) : place.removeFile(name))) count++;
    }
    if (count === 0) break;
  }
  // If something resisted, the next daemon tries again.
  const split = path.lastIndexOf("/");
  using around = Directory.open(path.slice(0, split + 1));
  around.removeDirectory(cString(path.slice(split + 1)));
  place[Symbol.dispose]();
}

/** @returns `undefined` if it is gone, or not a directory of this user. */
function openOurs(path: string): Directory | undefined {
  try {
    const directory = Directory.open(path);
    if (factsOf(directory.fd).uid === effectiveUid()) return directory;
    directory[Symbol.dispose]();
  } catch (error) {
    if (!(error instanceof ErrnoError)) throw error;
  }
  return undefined;
}

function isAt(path: string, directory: Directory): boolean {
  using there = openOurs(path);
  return there !== undefined && factsOf(there.fd).inode === factsOf(directory.fd).inode;
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
