import { basename, dirname, join, resolve } from "node:path";
import { MNT_DETACH, umount } from "../sys/files/mount.ts";
import { LateError, outputWithin } from "../sys/waiting/deadline.ts";
import { isRoot } from "../sys/processes/process.ts";
import { fuserunmount } from "./fusermount.ts";
import { badMountpoint, MountError } from "./mount_error.ts";
import { type MountInfo, readMountInfo } from "./mountinfo.ts";

/** How long a server may take to answer before it counts as hung. */
const ANSWER_MS = 3000;

/**
 * Only `stat -f` always asks the server, as the kernel has no cache for that. Only `stat` fails for those
 * whom the mount keeps out.
 */
const PROBES = [["--"], ["-f", "--"]] as const;

/**
 * Clears a mount point whose server has died, so that it can be mounted again. Mounts of other types, and a
 * mount point that is not mounted or does not exist, are left as they are.
 * @param type The mounts that may be cleared, such as `fuse.filed`.
 * @throws {MountError} `in-use`, `hung` or `foreign` if there is a mount of that type which is not dead;
 * `bad-mountpoint` if the path can't be resolved.
 */
export async function clearStale(mountpoint: string, type: string): Promise<void> {
  for (;;) {
    const mount = await topMount(mountpoint);
    if (mount?.type !== type) return;
    await requireDead(mount);
    await detach(mount);
  }
}

/**
 * The topmost mount at a path. We resolve its parent only, and the path itself only if nothing is mounted
 * there: a server may be gone or hang.
 */
async function topMount(mountpoint: string): Promise<MountInfo | undefined> {
  const mounts = readMountInfo();
  const at = (path: string) => mounts.findLast(({ mountpoint }) => mountpoint === path);
  const absolute = resolve(mountpoint);
  try {
    const path = join(await Deno.realPath(dirname(absolute)), basename(absolute));
    return at(path) ?? at(await Deno.realPath(path)); // it may be a symlink
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw badMountpoint(mountpoint, error);
  }
}

/** @throws {MountError} Unless the server of `mount` is gone. */
async function requireDead({ mountpoint, device }: MountInfo): Promise<void> {
  for (const args of PROBES) {
    const answer = await probe([...args, mountpoint]);
    if (answer === "no answer") {
      const abort = `/sys/fs/fuse/connections/${device.minor}/abort`;
      throw new MountError(
        "hung",
        `${mountpoint} is mounted by a server that does not answer: end it, or echo 1 > ${abort}`,
      );
    }
    if (answer === "dead") return;
    if (answer === "refused") {
      throw new MountError("foreign", `${mountpoint} is mounted by another user: name another directory`);
    }
  }
  throw new MountError(
    "in-use",
    `${mountpoint} is in use by a running server: stop that one, or name another directory`,
  );
}

/** Runs stat(1) in a child, which alone hangs if the server does. */
async function probe(args: string[]): Promise<"alive" | "dead" | "refused" | "no answer"> {
  const command = new Deno.Command("stat", {
    args,
    env: { LC_ALL: "C" },
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  });
  const ended = await outputWithin(ANSWER_MS, command).catch((error) => {
    if (error instanceof LateError) return undefined;
    throw error;
  });
  if (ended === undefined) return "no answer";
  if (ended.success) return "alive";
  const said = new TextDecoder().decode(ended.stderr);
  if (/not connected|connection abort/i.test(said)) return "dead";
  if (/permission denied/i.test(said)) return "refused";
  throw new MountError("failed", `Cannot tell the state of a mount: ${said.trim()}`);
}

async function detach({ mountpoint }: MountInfo): Promise<void> {
  if (!isRoot()) return await fuserunmount(mountpoint, "lazy");
  if (await umount(mountpoint, MNT_DETACH)) return;
  throw new MountError(
    "no-permission",
    `Cannot clear ${mountpoint}, whose server is gone: umount -l ${mountpoint}`,
  );
}
