import { must } from "../../must.ts";
import { addressOf } from "../c_memory.ts";
import { ErrnoError } from "../errno.ts";
import { check, LIBC } from "../libc.ts";

const { symbols } = Deno.dlopen(LIBC, {
  socketpair: { parameters: ["i32", "i32", "i32", "buffer"], result: "i32" },
  recvmsg: { parameters: ["i32", "buffer", "i32"], result: "i32" },
});

const AF_UNIX = 1;
const SOCK_STREAM = 1;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
const MSG_DONTWAIT = 0x40;
const MSG_CMSG_CLOEXEC = 0x40000000;

// struct iovec and struct msghdr, sys/uio.h and sys/socket.h
const IOVEC = { base: 0, len: 8 } as const;
const MSGHDR = { iov: 16, iovlen: 24, control: 32, controllen: 40 } as const;
// struct cmsghdr with one descriptor: `end` is CMSG_LEN(4), `sizeof` CMSG_SPACE(4)
const CMSGHDR = { len: 0, level: 8, type: 12, fd: 16, end: 20, sizeof: 24 } as const;

/** Two connected stream sockets, both close-on-exec. @throws {ErrnoError} As socketpair(2). */
export function socketpair(): [number, number] {
  const fds = new Int32Array(2);
  check(symbols.socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), "socketpair");
  return [must(fds[0], "a pair has two sockets"), must(fds[1], "a pair has two sockets")];
}

/** One buffer for the message and all that it points to, so that nothing of it is freed meanwhile. */
const MESSAGE = { header: 0, iovec: 56, control: 72, byte: 96, sizeof: 97 } as const;

/**
 * Takes a descriptor that somebody has already sent; it is close-on-exec here.
 * @throws {ErrnoError} As recvmsg(2); EPROTO if what came has no descriptor.
 */
export function receiveDescriptor(socket: number): number {
  const message = new Uint8Array(new ArrayBuffer(MESSAGE.sizeof));
  const view = new DataView(message.buffer);
  const address = addressOf(message);
  const u64 = (offset: number, value: bigint) => view.setBigUint64(offset, value, true);
  u64(MESSAGE.iovec + IOVEC.base, address + BigInt(MESSAGE.byte));
  u64(MESSAGE.iovec + IOVEC.len, 1n);
  u64(MESSAGE.header + MSGHDR.iov, address + BigInt(MESSAGE.iovec));
  u64(MESSAGE.header + MSGHDR.iovlen, 1n);
  u64(MESSAGE.header + MSGHDR.control, address + BigInt(MESSAGE.control));
  u64(MESSAGE.header + MSGHDR.controllen, BigInt(CMSGHDR.sizeof));
  check(symbols.recvmsg(socket, message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC), "recvmsg");
  const control = new DataView(message.buffer, MESSAGE.control);
  const isDescriptor = control.getBigUint64(CMSGHDR.len, true) === BigInt(CMSGHDR.end) &&
    control.getInt32(CMSGHDR.level, true) === SOL_SOCKET &&
    control.getInt32(CMSGHDR.type, true) === SCM_RIGHTS;
  if (!isDescriptor) throw new ErrnoError("EPROTO", "Message without a descriptor");
  return control.getInt32(CMSGHDR.fd, true);
}
