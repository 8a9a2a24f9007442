import { resolve } from "node:path";
import { ANSWER_MS, withinMs } from "../sys/waiting/deadline.ts";
import { badMountpoint, clearStale, MountError, readMountInfo } from "../fuse/mod.ts";
import { warnOfHidden } from "./hidden_files.ts";
import { DistrustError, followTrusted } from "./trusted_path.ts";

/** The directory that we mount on. Disposing of it removes it, if we have made it and nothing is in it. */
export class MountPoint implements AsyncDisposable {
  private constructor(
    /** Absolute and without symbolic links. */
    readonly path: string,
    /** The directories that were made for it, outermost first. */
    readonly made: readonly string[],
  ) {}

  /**
   * Clears what a dead daemon left mounted, and makes the directory if it is not there.
   * @param type We clear mounts of that type, and don't look into them.
   * @throws {MountError}
   */
  static async prepare(path: string, type: string): Promise<MountPoint> {
    const follow = () =>
      withinMs(ANSWER_MS, followTrusted(path, "directory", (part) => isMounted(part, type)));
    try {
      const { real, missing } = await follow();
      await clearStale(real, type);
      await withinMs(ANSWER_MS, Deno.mkdir(real, { recursive: true }));
      if ((await follow()).real !== real) throw new Error("it is no longer the same directory");
      return new MountPoint(real, missing);
    } catch (error) {
      throw refusalOf(path, error);
    }
  }

  /**
   * Warns of files that the mount is about to hide.
   * @throws {MountError} If the directory does not answer.
   */
  async lookBelow(): Promise<void> {
    try {
      await warnOfHidden(this.path);
    } catch (error) {
      throw refusalOf(this.path, error);
    }
  }

  /** The next daemon may be another user's, and want to make it. Dispose of it after the mount. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      for (const directory of this.made.toReversed()) await Deno.remove(directory);
    } catch { /* Somebody uses it, or has removed it. */ }
  }
}

function isMounted(path: string, type: string): boolean {
  return readMountInfo().some((mount) => mount.mountpoint === path && mount.type === type);
}

function refusalOf(path: string, error: unknown): MountError {
  if (error instanceof MountError) return error;
  if (error instanceof DistrustError) {
    return new MountError("bad-mountpoint", `Cannot mount on ${resolve(path)}: ${error.message}`, {
      cause: error,
    });
  }
  return badMountpoint(path, error);
}
