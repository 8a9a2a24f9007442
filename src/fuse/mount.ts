import { ErrnoError } from "../sys/errno.ts";
import { close, openPathItself, openReadWrite } from "../sys/files/file.ts";
import { readKernelLink } from "../sys/files/kernel_files.ts";
import { MNT_DETACH, mount as mountSystemCall, MS_NODEV, MS_NOSUID, umount } from "../sys/files/mount.ts";
import { POLLERR, PollSet } from "../sys/waiting/poll.ts";
import { effectiveGid, effectiveUid, isRoot } from "../sys/processes/process.ts";
import { escapeOption, fusermount, fuserunmount } from "./fusermount.ts";
import { badMountpoint, MountError } from "./mount_error.ts";
import { isOf, readMountInfo } from "./mountinfo.ts";

const DEVICE = "/dev/fuse";

export interface MountOptions {
  /** The source that `df` and `mount` name. */
  readonly fsname: string;
  /** The file system's type is then `fuse.SUBTYPE`. */
  readonly subtype: string;
  /** `"everyone"` needs root, or `user_allow_other` in /etc/fuse.conf. `"owner"` keeps even root out. */
  readonly admit: "owner" | "everyone";
}

/**
 * Mounts a directory: by mount(2) as root, else through `fusermount3`. Until a `Session` serves it, whoever
 * touches the mount waits; this process must never touch it other than asynchronously. Modes and owners
 * decide who may do what, see `default_permissions` in mount.fuse3(8).
 * @param mountpoint An existing directory; see `clearStale` for one that an earlier server has left mounted.
 * @throws {MountError}
 */
export async function mount(mountpoint: string, options: MountOptions): Promise<Mount> {
  const path = await resolveDirectory(mountpoint);
  const fd = isRoot() ? mountAsRoot(path, options) : await mountAsUser(path, options);
  try {
    const info = readMountInfo().findLast(({ mountpoint }) => mountpoint === path);
    if (info?.type !== `fuse.${options.subtype}`) {
      throw new MountError("failed", `${path} was unmounted at once`);
    }
    return new Mount(fd, path, info.device.minor);
  } catch (error) {
    close(fd);
    throw error;
  }
}

/** A mount of this process. Disposing of it unmounts lazily and closes `fd`: end its session first. */
export class Mount {
  #closed = false;

  constructor(
    /** /dev/fuse, non-blocking and close-on-exec. */
    readonly fd: number,
    /** Absolute and without symlinks. */
    readonly mountpoint: string,
    /** Writing 1 to /sys/fs/fuse/connections/CONNECTION/abort frees clients of a server that hangs. */
    readonly connection: number,
  ) {}

  /**
   * Takes the mount away, if it is still there. The session must run meanwhile, and until it reads the end:
   * with `"lazy"` that comes once the last open file is closed.
   * @throws {MountError} `busy` if `"when-unused"` and somebody uses it, or if another mount covers it.
   */
  async unmount(how: "lazy" | "when-unused"): Promise<void> {
    if (this.#closed || !this.#isThere()) return;
    if (!isRoot()) return await fuserunmount(this.mountpoint, how);
    if (await umount(this.mountpoint, how === "lazy" ? MNT_DETACH : 0)) return;
    if (this.#isThere()) {
      throw new MountError("busy", `Cannot unmount ${this.mountpoint}: it is in use`);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    await this.unmount("lazy");
    this.#closed = true;
    close(this.fd);
  }

  /** Asks the descriptor first, then the mount table: the path could mean another mount by now. */
  #isThere(): boolean {
    if (new PollSet([this.fd]).now(0) & POLLERR) return false;
    const here = readMountInfo().filter(({ mountpoint }) => mountpoint === this.mountpoint);
    const ours = here.findLastIndex((mount) => isOf(this.connection, mount));
    if (ours === -1) return false;
    if (ours === here.length - 1) return true;
    throw new MountError("busy", `Cannot unmount ${this.mountpoint}: another mount covers it`);
  }
}

async function resolveDirectory(mountpoint: string): Promise<string> {
  try {
    return await Deno.realPath(mountpoint);
  } catch (error) {
    throw badMountpoint(mountpoint, error);
  }
}

/** Mounts on an open descriptor: the path could lead elsewhere by now, if others can write above it. */
function mountAsRoot(path: string, options: MountOptions): number {
  using place = holdDirectory(path);
  const fd = openDevice();
  const data = [
    `fd=${fd}`,
    "rootmode=40000", // octal, the type bits of a directory
    `user_id=${effectiveUid()}`,
    `group_id=${effectiveGid()}`,
    ...sharedOptions(options),
  ];
  try {
    mountSystemCall(
      options.fsname,
      place.link,
      `fuse.${options.subtype}`,
      MS_NOSUID | MS_NODEV,
      data.join(","),
    );
    return fd;
  } catch (cause) {
    close(fd);
    throw mountRefusal(path, cause);
  }
}

/** @returns A path of /proc that leads to the directory until it is disposed of. @throws {MountError} */
function holdDirectory(path: string): Disposable & { link: string } {
  let fd: number;
  try {
    fd = openPathItself(path);
  } catch (cause) {
    throw mountRefusal(path, cause);
  }
  const link = `/proc/self/fd/${fd}`;
  const held = { link, [Symbol.dispose]: () => close(fd) };
  if (readKernelLink(link) === path) return held;
  held[Symbol.dispose]();
  throw new MountError("bad-mountpoint", `Cannot mount on ${path}: it is being moved or replaced; try again`);
}

function mountAsUser(path: string, options: MountOptions): Promise<number> {
  return fusermount(path, [
    "nosuid",
    "nodev",
    `fsname=${escapeOption(options.fsname)}`,
    `subtype=${escapeOption(options.subtype)}`,
    ...sharedOptions(options),
  ]);
}

function sharedOptions({ admit }: MountOptions): string[] {
  return [...(admit === "everyone" ? ["allow_other"] : []), "default_permissions"];
}

function openDevice(): number {
  try {
    return openReadWrite(DEVICE);
  } catch (cause) {
    if (!(cause instanceof ErrnoError)) throw cause;
    if (cause.is("ENOENT", "ENODEV", "ENXIO")) {
      const message = `No ${DEVICE}: modprobe fuse, or start the container with --device ${DEVICE}`;
      throw new MountError("no-device", message, { cause });
    }
    const message = `Cannot open ${DEVICE} (${cause.message}): start the container with --device ${DEVICE}`;
    throw new MountError(cause.is("EACCES", "EPERM") ? "no-permission" : "failed", message, { cause });
  }
}

/** What an `ErrnoError` means; anything else is thrown on. */
function mountRefusal(path: string, cause: unknown): MountError {
  if (!(cause instanceof ErrnoError)) throw cause;
  if (cause.is("EPERM", "EACCES")) {
    const message =
      `Not permitted to mount on ${path}: a container needs --cap-add SYS_ADMIN and --device ${DEVICE}`;
    return new MountError("no-permission", message, { cause });
  }
  if (cause.is("ENODEV")) {
    return new MountError("no-device", "The kernel has no FUSE: modprobe fuse", { cause });
  }
  const refusal = cause.is("ENOTDIR", "ENOENT") ? "bad-mountpoint" : "failed";
  return new MountError(refusal, `Cannot mount on ${path}: ${cause.message}`, { cause });
}
