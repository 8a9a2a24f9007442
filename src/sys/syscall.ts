import { check, LIBC } from "./libc.ts";

const { symbols } = Deno.dlopen(LIBC, {
  syscall: { parameters: ["i64", "i64", "i64", "i64", "i64"], result: "i64" },
});

/** Numbers above 423 are the same on all architectures. */
const NUMBER = { pidfd_send_signal: 424, pidfd_open: 434 } as const;

/**
 * Makes a system call that has no wrapper in older C libraries.
 * @throws {ErrnoError} If it fails; it names the call.
 */
export function syscall(name: keyof typeof NUMBER, a: number, b: number, c: number, d: number): number {
  return check(trySyscall(name, a, b, c, d), name);
}

/** The same. @returns -1 if it fails, with errno. */
export function trySyscall(name: keyof typeof NUMBER, a: number, b: number, c: number, d: number): number {
  return Number(symbols.syscall(BigInt(NUMBER[name]), BigInt(a), BigInt(b), BigInt(c), BigInt(d)));
}
