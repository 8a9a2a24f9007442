import { ErrnoError } from "./errno.ts";

/** The library that all of `src/sys/` calls. */
export const LIBC = "libc.so.6";

const { symbols } = Deno.dlopen(LIBC, {
  __errno_location: { parameters: [], result: "pointer" },
  strerror: { parameters: ["i32"], result: "pointer" },
  gnu_get_libc_version: { parameters: [], result: "pointer" },
});

/**
 * Since this version all is in one library; before, what a symbol is looked for in has to be loaded by its
 * own name.
 */
const ONE_LIBRARY = [2, 34] as const;

/** Which library has the functions of threads, and which dlsym(3). */
export const [LIBPTHREAD, LIBDL] = isOneLibrary() ? [LIBC, LIBC] : ["libpthread.so.0", "libdl.so.2"];

function isOneLibrary(): boolean {
  const version = symbols.gnu_get_libc_version();
  if (version === null) throw new Error("gnu_get_libc_version() gave no address");
  const [major = 0, minor = 0] = new Deno.UnsafePointerView(version).getCString().split(".").map(Number);
  return major > ONE_LIBRARY[0] || major === ONE_LIBRARY[0] && minor >= ONE_LIBRARY[1];
}

/** The `littleEndian` that DataView wants for what libc and the kernel lay out. */
export const HOST_ENDIAN = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

/** This thread's errno, in place. */
const errno = (() => {
  const location = symbols.__errno_location();
  if (location === null) throw new Error("__errno_location() gave no address");
  return new Int32Array(Deno.UnsafePointerView.getArrayBuffer(location, 4));
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

/** What people call an error number: "Argument list too long". */
export function strerror(errno: number): string {
  const text = symbols.strerror(errno);
  return text === null ? `errno ${errno}` : new Deno.UnsafePointerView(text).getCString();
}
