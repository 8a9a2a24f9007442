/**
 * FUSE for Deno: the kernel's protocol over /dev/fuse, without libfuse.
 *
 * Implement `FileSystem`, `mount` a directory, and `run` a `Session`. Needs Linux 5.15 or newer on x86-64 or
 * arm64, and the permissions `--allow-ffi --allow-read --allow-run --allow-sys`. As an ordinary user, also
 * `fusermount3` (package fuse3).
 *
 * ```ts
 * import { decodeName, ErrnoError, type FileSystem, mount, type NodeId, ROOT_NODE, Session } from "./mod.ts";
 * import { S_IFDIR, S_IFREG } from "./mod.ts";
 *
 * const HELLO = 2n as NodeId;
 * const text = new TextEncoder().encode("Hello\n");
 * const stat = (ino: bigint) => ({
 *   attributes: {
 *     ino,
 *     mode: ino === ROOT_NODE ? S_IFDIR | 0o755 : S_IFREG | 0o444,
 *     nlink: ino === ROOT_NODE ? 2 : 1,
 *     sizeBytes: ino === ROOT_NODE ? 0 : text.length,
 *     uid: 0,
 *     gid: 0,
 *     atimeMs: 0,
 *     mtimeMs: 0,
 *     ctimeMs: 0,
 *     blockSizeBytes: 4096,
 *   },
 *   attributesValidMs: 1000,
 * });
 * const hello: FileSystem = {
 *   lookup: (_request, _parent, name) => {
 *     if (decodeName(name) !== "hello") throw new ErrnoError("ENOENT");
 *     return { nodeid: HELLO, entryValidMs: 1000, ...stat(HELLO) };
 *   },
 *   getattr: (_request, nodeid) => stat(nodeid),
 *   read: (_request, _nodeid, _fh, offset, sizeBytes) => text.subarray(offset, offset + sizeBytes),
 *   readdir: (_request, _nodeid, _fh, cookie, sink) => {
 *     const name = new TextEncoder().encode("hello");
 *     if (cookie < 1) sink.add({ ino: HELLO, cookie: 1, type: "file", name });
 *   },
 * };
 *
 * const options = { fsname: "hello", subtype: "hello", admit: "owner" } as const;
 * await using mounted = await mount("/mnt", options);
 * await using session = new Session(mounted.fd, hello, { onError: console.error });
 * Deno.addSignalListener("SIGINT", () => mounted.unmount("lazy"));
 * console.log(await session.run()); // "unmounted"
 * ```
 *
 * **Never use the mount in the process that serves it**, except by asynchronous calls. `Deno.statSync` of it,
 * or a `Deno.Command` whose `cwd` is in it, waits for an answer that the same thread would have to give, and
 * not even SIGKILL ends that.
 *
 * @module
 */
export { ErrnoError, type ErrnoName } from "../sys/errno.ts";
export * from "./attributes.ts";
export * from "./constants.ts";
export type { OnError, OnReply, Where } from "./dispatch.ts";
export type * from "./filesystem.ts";
export { Mount, mount, type MountOptions } from "./mount.ts";
export { badMountpoint, MountError, type MountRefusal } from "./mount_error.ts";
export { MountWatch } from "./mount_watch.ts";
export { type MountInfo, parseMountInfo, readMountInfo } from "./mountinfo.ts";
export { decodeName } from "./name.ts";
export type { Request } from "./request.ts";
export { Session, type SessionEnd, type SessionOptions } from "./session.ts";
export { clearStale } from "./stale.ts";
