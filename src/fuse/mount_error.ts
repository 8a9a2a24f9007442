/**
 * Why there is no mount.
 * - `no-device`: this system has no /dev/fuse.
 * - `no-permission`: /dev/fuse or the mount is refused to this process.
 * - `no-fusermount`: an ordinary user needs `fusermount3`.
 * - `no-allow-other`: /etc/fuse.conf does not let users admit others.
 * - `bad-mountpoint`: it is missing, no directory, or not the user's.
 * - `in-use`: a running server has it mounted.
 * - `hung`: the server that has it mounted does not answer.
 * - `foreign`: another user's mount, of which nothing can be known.
 * - `busy`: an unmount that was not lazy while files are open there, or another mount on top of it.
 * - `failed`: anything else; the message has what the system said.
 */
export type MountRefusal =
  | "no-device"
  | "no-permission"
  | "no-fusermount"
  | "no-allow-other"
  | "bad-mountpoint"
  | "in-use"
  | "hung"
  | "foreign"
  | "busy"
  | "failed";

/**
 * A mount or unmount that did not happen. The message is one line that says what was found and what to do.
 */
export class MountError extends Error {
  override readonly name = "MountError";

  constructor(readonly refusal: MountRefusal, message: string, options?: ErrorOptions) {
    super(message, options);
  }
}
