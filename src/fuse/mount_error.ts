/** Why there is no mount. */
export type MountRefusal =
  | "no-device" // this system has no /dev/fuse
  | "no-permission" // /dev/fuse or the mount is refused to this process
  | "no-fusermount" // an ordinary user needs `fusermount3`
  | "no-allow-other" // /etc/fuse.conf does not let users admit others
  | "bad-mountpoint" // it is missing, no directory, or not the user's
  | "in-use" // a running server has it mounted
  | "hung" // the server that has it mounted does not answer
  | "foreign" // another user's mount, of which nothing can be known
  | "busy" // an unmount that was not lazy while files are open there, or another mount on top of it
  | "failed"; // anything else; the message has what the system said

/** A mount or unmount that did not happen. The message is one line: what was found, and what to do. */
export class MountError extends Error {
  override readonly name = "MountError";

  constructor(readonly refusal: MountRefusal, message: string, options?: ErrorOptions) {
    super(message, options);
  }
}

/** The refusal of a directory that can't be found, by what the file system said of it. */
export function badMountpoint(mountpoint: string, cause: unknown): MountError {
  const found = cause instanceof Deno.errors.NotADirectory || cause instanceof Deno.errors.AlreadyExists
    ? "it is not a directory"
    : cause instanceof Deno.errors.NotFound
    ? "it does not exist"
    : cause instanceof Deno.errors.PermissionDenied
    ? "permission denied"
    : cause instanceof Deno.errors.NotCapable
    ? "Deno keeps programs out of /dev, /proc and /sys"
    : cause instanceof Error
    ? cause.message
    : String(cause);
  const message = `Cannot mount on ${mountpoint}: ${found}; name a directory, or one that can be made`;
  return new MountError("bad-mountpoint", message, { cause });
}
