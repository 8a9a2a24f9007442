import { check, cString, LIBC } from "../libc.ts";

const { symbols } = Deno.dlopen(LIBC, {
  setxattr: { parameters: ["buffer", "buffer", "buffer", "usize", "i32"], result: "i32" },
  getxattr: { parameters: ["buffer", "buffer", "buffer", "usize"], result: "i32" },
});

const CREATE_OR_REPLACE = 0; // setxattr(2)

/** Gives a file of the kernel's an extended attribute of that text. @throws {ErrnoError} As setxattr(2). */
export function setAttribute(path: string, name: string, text: string): void {
  const value = new TextEncoder().encode(text);
  const result = symbols.setxattr(
    cString(path),
    cString(name),
    value,
    BigInt(value.length),
    CREATE_OR_REPLACE,
  );
  check(result, `setxattr ${name} of ${path}`);
}

/**
 * @param maxBytes How long a value may be.
 * @throws {ErrnoError} As getxattr(2): ENODATA if it has none, ERANGE if it is longer.
 */
export function getAttribute(path: string, name: string, maxBytes: number): string {
  const value = new Uint8Array(maxBytes);
  const size = symbols.getxattr(cString(path), cString(name), value, BigInt(value.length));
  return new TextDecoder().decode(value.subarray(0, check(size, `getxattr ${name} of ${path}`)));
}
