import { Descriptor } from "./files/file.ts";
import { check, HOST_ENDIAN, LIBC } from "./libc.ts";

// The C library has no functions for these. Their numbers are the same on all architectures.
const { symbols } = Deno.dlopen(LIBC, {
  create_ruleset: { name: "syscall", parameters: ["i64", "buffer", "usize", "usize"], result: "i32" },
  add_rule: { name: "syscall", parameters: ["i64", "i64", "i64", "buffer", "usize"], result: "i32" },
});

const SYS_LANDLOCK_CREATE_RULESET = 444n;
const SYS_LANDLOCK_ADD_RULE = 445n;
const LANDLOCK_CREATE_RULESET_VERSION = 1n;
const LANDLOCK_RULE_PATH_BENEATH = 1n;
const LANDLOCK_RULE_NET_PORT = 2n;

// struct landlock_ruleset_attr; an older kernel takes the fields that it does not know if they are 0
const RULESET_ATTR = { handledAccessFs: 0, handledAccessNet: 8, scoped: 16, sizeof: 24 } as const;
const PATH_BENEATH_ATTR = { allowedAccess: 0, parentFd: 8, sizeof: 12 } as const; // packed
const NET_PORT_ATTR = { allowedAccess: 0, port: 8, sizeof: 16 } as const;

/** Rights on files: LANDLOCK_ACCESS_FS_*. */
export const ACCESS_FS = {
  EXECUTE: 1 << 0,
  WRITE_FILE: 1 << 1,
  READ_FILE: 1 << 2,
  READ_DIR: 1 << 3,
  REMOVE_DIR: 1 << 4,
  REMOVE_FILE: 1 << 5,
  MAKE_CHAR: 1 << 6,
  MAKE_DIR: 1 << 7,
  MAKE_REG: 1 << 8,
  MAKE_SOCK: 1 << 9,
  MAKE_FIFO: 1 << 10,
  MAKE_BLOCK: 1 << 11,
  MAKE_SYM: 1 << 12,
  /** To link or rename a file into another directory; without, it is refused (EXDEV). */
  REFER: 1 << 13,
  TRUNCATE: 1 << 14,
  /** To control a device; what works on all files alike, as FIOCLEX, is free. */
  IOCTL_DEV: 1 << 15,
} as const;

/** Rights on TCP sockets: LANDLOCK_ACCESS_NET_*. */
export const ACCESS_NET = { BIND_TCP: 1 << 0, CONNECT_TCP: 1 << 1 } as const;

/** Ways out of the sandbox that a ruleset can close: LANDLOCK_SCOPE_*. */
const SCOPE = { ABSTRACT_UNIX_SOCKET: 1 << 0, SIGNAL: 1 << 1 } as const;

/** Rights on a file that is no directory; the kernel refuses a rule for one that has others (EINVAL). */
const ON_FILES = ACCESS_FS.EXECUTE | ACCESS_FS.WRITE_FILE | ACCESS_FS.READ_FILE | ACCESS_FS.TRUNCATE |
  ACCESS_FS.IOCTL_DEV;

/** The rights that a ruleset takes away, unless a rule gives them back: bits of the three tables above. */
export interface Handled {
  fs: number;
  net: number;
  scoped: number;
}

/**
 * The most that a version of the kernel's interface can take away.
 * @param abi As {@link landlockAbi}; we don't use what later versions add.
 * @see linux/landlock.h; the chapter "Previous limitations" of the kernel's userspace-api/landlock
 */
export function handledBy(abi: number): Handled {
  if (abi < 1) return { fs: 0, net: 0, scoped: 0 };
  const absent = (abi < 2 ? ACCESS_FS.REFER : 0) | (abi < 3 ? ACCESS_FS.TRUNCATE : 0) |
    (abi < 5 ? ACCESS_FS.IOCTL_DEV : 0);
  return {
    fs: allOf(ACCESS_FS) & ~absent,
    net: abi < 4 ? 0 : allOf(ACCESS_NET),
    scoped: abi < 6 ? 0 : allOf(SCOPE),
  };
}

function allOf(bits: Record<string, number>): number {
  return Object.values(bits).reduce((all, bit) => all | bit, 0);
}

/** The version of this kernel's Landlock; 0 if it has none, or was told at boot not to use it. */
export function landlockAbi(): number {
  const abi = symbols.create_ruleset(SYS_LANDLOCK_CREATE_RULESET, null, 0n, LANDLOCK_CREATE_RULESET_VERSION);
  return Math.max(abi, 0); // -1 for ENOSYS, EOPNOTSUPP, or what a container's filter says
}

/** An exception that a ruleset makes, laid out for the kernel: many rulesets can have it. */
export interface Rule {
  type: bigint;
  attr: Uint8Array<ArrayBuffer>;
}

/**
 * Allows a file, or all that is beneath a directory.
 * @param fd Of either, as O_PATH opens it; has to stay open for as long as the rule is used.
 * @param access Of {@link ACCESS_FS}, and handled by the ruleset.
 */
export function pathRule(fd: number, kind: "file" | "directory", access: number): Rule {
  const attr = new Uint8Array(PATH_BENEATH_ATTR.sizeof);
  const view = new DataView(attr.buffer);
  const allowed = kind === "file" ? access & ON_FILES : access;
  view.setBigUint64(PATH_BENEATH_ATTR.allowedAccess, BigInt(allowed), HOST_ENDIAN);
  view.setInt32(PATH_BENEATH_ATTR.parentFd, fd, HOST_ENDIAN);
  return { type: LANDLOCK_RULE_PATH_BENEATH, attr };
}

/** Allows a TCP port. @param access Of {@link ACCESS_NET}, and handled by the ruleset. */
export function portRule(port: number, access: number): Rule {
  const attr = new Uint8Array(NET_PORT_ATTR.sizeof);
  const view = new DataView(attr.buffer);
  view.setBigUint64(NET_PORT_ATTR.allowedAccess, BigInt(access), HOST_ENDIAN);
  view.setBigUint64(NET_PORT_ATTR.port, BigInt(port), HOST_ENDIAN);
  return { type: LANDLOCK_RULE_NET_PORT, attr };
}

/** A thread can restrict itself to this, for good. Close-on-exec. */
export class Ruleset extends Descriptor {
  /** @throws {ErrnoError} As landlock_create_ruleset(2). */
  constructor({ fs, net, scoped }: Handled) {
    const attr = new DataView(new ArrayBuffer(RULESET_ATTR.sizeof));
    attr.setBigUint64(RULESET_ATTR.handledAccessFs, BigInt(fs), HOST_ENDIAN);
    attr.setBigUint64(RULESET_ATTR.handledAccessNet, BigInt(net), HOST_ENDIAN);
    attr.setBigUint64(RULESET_ATTR.scoped, BigInt(scoped), HOST_ENDIAN);
    super(
      check(
        symbols.create_ruleset(SYS_LANDLOCK_CREATE_RULESET, attr, BigInt(RULESET_ATTR.sizeof), 0n),
        "landlock_create_ruleset",
      ),
    );
  }

  /** @throws {ErrnoError} As landlock_add_rule(2). */
  add({ type, attr }: Rule): void {
    check(symbols.add_rule(SYS_LANDLOCK_ADD_RULE, BigInt(this.fd), type, attr, 0n), "landlock_add_rule");
  }
}
