import { must } from "../must.ts";
import { ErrnoError } from "./errno.ts";

/**
 * The library that all of `src/sys/` calls. Before glibc 2.34, functions of threads (pthread_) and of the
 * linker (dlsym) are in others: we use none of them.
 */
export const LIBC = "libc.so.6";

const { symbols } = Deno.dlopen(LIBC, {
  __errno_location: { parameters: [], result: "pointer" },
  strerror: { parameters: ["i32"], result: "pointer" },
});

/** The `littleEndian` that DataView wants for what libc and the kernel lay out, on x86-64 and arm64. */
export const HOST_ENDIAN = true;

/** This thread's errno, in place. */
const errno = (() => {
  const location = symbols.__errno_location();
  const address = must(location, "each thread has an errno");
  return new Int32Array(Deno.UnsafePointerView.getArrayBuffer(address, 4));
})();

/**
 * The errno of the call that has just failed on this thread. It is only right before the next call, and never
 * after a `nonblocking` one, which runs on another thread.
 */
export function lastErrno(): number {
  return errno[0] ?? 0;
}

/**
 * @returns `result`, if it is not the -1 of a failed call.
 * @throws {ErrnoError} With errno, and `what` was tried.
 */
export function check(result: number, what: string): number {
  if (result === -1) throw new ErrnoError(lastErrno(), what);
  return result;
}

/** `text` as C wants it: UTF-8, ended by NUL. */
export function cString(text: string): Uint8Array<ArrayBuffer> {
  if (text.includes("\0")) throw new ErrnoError("EINVAL", "NUL in a string for C");
  return new TextEncoder().encode(`${text}\0`);
}

/** The text of an error number: "Argument list too long". */
export function strerror(errno: number): string {
  const text = symbols.strerror(errno);
  return text === null ? `errno ${errno}` : new Deno.UnsafePointerView(text).getCString();
}
