import { Buffer } from "node:buffer";
import type { Directory } from "../../sys/files/directory.ts";
import { close, O_NOFOLLOW, O_PATH } from "../../sys/files/file.ts";
import { readKernelBytes, readKernelFile } from "../../sys/files/kernel_files.ts";
import { MNT_DETACH, MNT_FORCE, umountOpen } from "../../sys/files/mount.ts";
import { unescapeOctal } from "../../sys/files/octal.ts";
import { effectiveUid } from "../../sys/processes/process.ts";
import { openBelow } from "../../sys/files/open_at.ts";
import { atMost } from "../../sys/waiting/deadline.ts";
import { unlessRefused } from "../unless_refused.ts";

/** We wait no longer for an unmount. */
const UNMOUNT_MS = 2_000;

/** A line of /proc/self/mountinfo, proc(5). */
interface Mounted {
  id: number;
  /** One character for each byte. */
  path: string;
  type: string;
  /** Of FUSE: whose file system it is. */
  userId: number | undefined;
}

/** All mounts, each after those that it is over. */
export function listMounts(): Mounted[] {
  return parseMounts(readKernelBytes("/proc/self/mountinfo"));
}

/** @param text With one character for each byte. */
export function parseMounts(text: string): Mounted[] {
  return text.split("\n").filter(Boolean).map((line) => {
    const fields = line.split(" ");
    const [type = "", , options = ""] = fields.slice(fields.indexOf("-") + 1);
    const [, userId] = /(?:^|,)user_id=(\d+)/.exec(options) ?? [];
    return {
      id: Number(fields[0]),
      path: unescapeOctal(fields[4] ?? ""),
      type,
      userId: userId === undefined ? undefined : Number(userId),
    };
  });
}

/**
 * The mounts at or below a folder that no other one there is above: the rest goes with them.
 * @param folder An absolute path without links.
 */
export function outermostBelow(folder: string, mounts: readonly Mounted[]): Mounted[] {
  const bytes = bytesAsText(folder);
  const below = mounts.filter(({ path }) => isAtOrBelow(path, bytes));
  return below.filter(({ id, path }) =>
    !below.some((other) => other.id !== id && isAtOrBelow(path, other.path) && path !== other.path) &&
    below.findLast((other) => other.path === path)?.id === id
  );
}

/**
 * Detaches a mount from its folder, without asking its server. If that is a FUSE server of the folder's own
 * user, we also end its connection: who waits for it gets an error.
 * @param around What the mount is below, and that directory's absolute path without links.
 * @param owner Whose folder the mount is in.
 */
export async function detach(
  mounted: Mounted,
  around: Directory,
  aroundPath: string,
  owner: number | undefined,
): Promise<void> {
  const relative = mounted.path.slice(bytesAsText(aroundPath).length + 1);
  const fd = openMounted(around, relative, mounted.id);
  if (fd === undefined) return;
  // Of our own user it could be the queue itself, mounted a second time.
  const isOwners = mounted.type.startsWith("fuse") && mounted.userId === owner && owner !== effectiveUid();
  await atMost(UNMOUNT_MS, umountOpen(fd, isOwners ? MNT_DETACH | MNT_FORCE : MNT_DETACH));
}

/**
 * Opens the root of a mount without asking its server.
 * @returns `undefined` if something else is there by now.
 */
function openMounted(around: Directory, relative: string, id: number): number | undefined {
  const name = Uint8Array.from(Buffer.from(`${relative}\0`, "latin1"));
  const fd = unlessRefused(() => openBelow(around.fd, name, O_PATH | O_NOFOLLOW, "known below"));
  if (fd === undefined) return undefined;
  const info = unlessRefused(() => readKernelFile(`/proc/self/fdinfo/${fd}`)) ?? "";
  const [, found] = /^mnt_id:\t(\d+)$/m.exec(info) ?? [];
  if (Number(found) === id) return fd;
  close(fd);
  return undefined;
}

function isAtOrBelow(path: string, folder: string): boolean {
  return path === folder || path.startsWith(`${folder}/`);
}

/** A text as its UTF-8, one character for each byte. */
function bytesAsText(text: string): string {
  return Buffer.from(text).toString("latin1");
}
