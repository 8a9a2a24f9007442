import { ErrnoError } from "./errno.ts";

const libc = Deno.dlopen("libc.so.6", {
  syscall: { parameters: ["i64", "i64", "i64", "i64", "i64"], result: "i64" },
  __errno_location: { parameters: [], result: "pointer" },
});

/** Numbers above 423 are the same on all architectures. */
const NUMBER = { pidfd_send_signal: 424, pidfd_open: 434 } as const;

/**
 * Makes a system call that has no wrapper in older C libraries.
 * @throws {ErrnoError} If it fails; it names the call.
 */
export function syscall(name: keyof typeof NUMBER, a: number, b: number, c: number, d: number): number {
  const result = libc.symbols.syscall(BigInt(NUMBER[name]), BigInt(a), BigInt(b), BigInt(c), BigInt(d));
  if (result < 0n) throw new ErrnoError(readErrno(), name);
  return Number(result);
}

function readErrno(): number {
  const location = libc.symbols.__errno_location();
  if (location === null) throw new Error("__errno_location() is null");
  return new Deno.UnsafePointerView(location).getInt32();
}
