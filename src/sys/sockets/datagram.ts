import { ErrnoError } from "../errno.ts";
import { Descriptor } from "../files/file.ts";
import { check, HOST_ENDIAN, LIBC } from "../libc.ts";

const { symbols } = Deno.dlopen(LIBC, {
  socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
  sendto: { parameters: ["i32", "buffer", "usize", "i32", "buffer", "u32"], result: "i32" },
});

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const MSG_NOSIGNAL = 0x4000;

const SOCKADDR_UN = { family: 0, path: 2, sizeof: 110 } as const; // struct sockaddr_un, sys/un.h

/** Sends datagrams to one Unix socket, without ever waiting. */
export class DatagramSender extends Descriptor {
  readonly #address: Uint8Array<ArrayBuffer>;

  /**
   * @param path Of the socket; `@` and a name for one in the abstract namespace, unix(7).
   * @throws {ErrnoError} EINVAL if it is too long, or neither of the two; else as socket(2).
   */
  constructor(path: string) {
    const address = encodeAddress(path);
    super(check(symbols.socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), "socket"));
    this.#address = address;
  }

  /** @throws {ErrnoError} As sendto(2); EAGAIN if the receiver has too many unread. */
  send(text: string): void {
    const bytes = new TextEncoder().encode(text);
    const address = this.#address;
    check(
      symbols.sendto(this.fd, bytes, BigInt(bytes.length), MSG_NOSIGNAL, address, address.length),
      "sendto",
    );
  }
}

/** A path ends with NUL. An abstract name begins with it, and ends where the address does. */
function encodeAddress(path: string): Uint8Array<ArrayBuffer> {
  if (!/^[/@]./.test(path)) throw new ErrnoError("EINVAL", `Socket ${path}`);
  const name = new TextEncoder().encode(path.startsWith("@") ? `\0${path.slice(1)}` : `${path}\0`);
  const address = new Uint8Array(SOCKADDR_UN.path + name.length);
  if (address.length > SOCKADDR_UN.sizeof) throw new ErrnoError("EINVAL", `Socket ${path}`);
  new DataView(address.buffer).setUint16(SOCKADDR_UN.family, AF_UNIX, HOST_ENDIAN);
  address.set(name, SOCKADDR_UN.path);
  return address;
}
