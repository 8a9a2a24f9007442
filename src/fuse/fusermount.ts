import { clearCloseOnExec, close, setNonblocking } from "../sys/files/file.ts";
import { receiveDescriptor, socketpair } from "../sys/sockets/socket.ts";
import { MountError } from "./mount_error.ts";

/** The setuid helper of libfuse that mounts for ordinary users. */
const HELPER = "fusermount3";

/**
 * Mounts through the helper.
 * @param options As after `-o`, see `escapeOption`.
 * @returns The descriptor of /dev/fuse, non-blocking and close-on-exec.
 * @throws {MountError}
 * @see mount_util.c and fusermount.c of libfuse: the helper sends the descriptor over the socket in
 * `_FUSE_COMMFD`.
 */
export async function fusermount(mountpoint: string, options: readonly string[]): Promise<number> {
  const [ours, theirs] = socketpair();
  try {
    let child: Deno.ChildProcess;
    try {
      clearCloseOnExec(theirs);
      child = spawn(["-o", options.join(","), "--", mountpoint], { _FUSE_COMMFD: String(theirs) });
    } finally {
      close(theirs); // before anything else can be spawned, which would inherit it
    }
    const { success, stderr } = await child.output();
    if (!success) throw refusal(mountpoint, stderr);
    const fd = receiveDescriptor(ours);
    setNonblocking(fd);
    return fd;
  } finally {
    close(ours);
  }
}

/** Unmounts what is topmost at `mountpoint`. @throws {MountError} */
export async function fuserunmount(mountpoint: string, how: "lazy" | "when-unused"): Promise<void> {
  const child = spawn(["-u", ...(how === "lazy" ? ["-z"] : []), "--", mountpoint], {});
  const { success, stderr } = await child.output();
  if (success) return;
  const said = firstLine(stderr);
  throw new MountError(
    /busy/i.test(said) ? "busy" : "failed",
    `Cannot unmount ${mountpoint}: ${said || "no reason given"}; ${HELPER} -uz ${mountpoint}`,
  );
}

/** A value of an option in the helper's list. */
export function escapeOption(value: string): string {
  return value.replaceAll(/[\\,]/g, "\\$&");
}

function spawn(args: string[], env: Record<string, string>): Deno.ChildProcess {
  try {
    return new Deno.Command(HELPER, {
      args,
      env: { ...env, LC_ALL: "C" },
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    })
      .spawn();
  } catch (cause) {
    if (!(cause instanceof Deno.errors.NotFound)) throw cause;
    throw new MountError(
      "no-fusermount",
      `${HELPER} is not installed: install the package fuse3, or run as root`,
      { cause },
    );
  }
}

const firstLine = (text: Uint8Array) => new TextDecoder().decode(text).trim().split("\n")[0] ?? "";

/** What the helper's words mean. */
function refusal(mountpoint: string, stderr: Uint8Array): MountError {
  const said = firstLine(stderr);
  if (/user_allow_other/.test(said)) {
    const message = "Cannot admit other users (-o allow_other): /etc/fuse.conf does not let users do that; " +
      "let root add the line: echo user_allow_other >> /etc/fuse.conf";
    return new MountError("no-allow-other", message);
  }
  if (/device not found|failed to open \/dev\/fuse: No such/.test(said)) {
    return new MountError(
      "no-device",
      `No /dev/fuse (${said}): modprobe fuse, or start the container with --device /dev/fuse`,
    );
  }
  if (/failed to open \/dev\/fuse: Permission denied/.test(said)) {
    const message =
      "Not permitted to open /dev/fuse: chmod 666 /dev/fuse, as on most systems, or run as root";
    return new MountError("no-permission", message);
  }
  const refused = `Cannot mount on ${mountpoint}: ${said}`;
  if (/no write access|not owned/.test(said)) {
    const message = `${refused}; name a directory of your own, or have this one removed`;
    return new MountError("bad-mountpoint", message);
  }
  if (/bad mount point|failed to access mountpoint|not a directory/.test(said)) {
    return new MountError("bad-mountpoint", refused);
  }
  if (/not permitted|Permission denied/.test(said)) return new MountError("no-permission", refused);
  return new MountError("failed", refused);
}
