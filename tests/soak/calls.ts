/** System calls with their answers as they come: a close that fails says so, which Deno's own does not. */
import { ErrnoError, errnoName } from "../../src/sys/errno.ts";
import { close, write } from "../../src/sys/files/file.ts";
import { check, cString, LIBC } from "../../src/sys/libc.ts";
import type { Outcome } from "./operations.ts";

const { symbols } = Deno.dlopen(LIBC, {
  open: { parameters: ["buffer", "i32", "i32"], result: "i32" },
  rename: { parameters: ["buffer", "buffer"], result: "i32" },
  unlink: { parameters: ["buffer"], result: "i32" },
});

const O_WRONLY = 0o1;
const O_RDWR = 0o2;
const O_CREAT = 0o100;
const O_EXCL = 0o200;
const O_TRUNC = 0o1000;

/** `fresh`: as mkstemp(3), a file that is not there yet. */
export type Opening = "rewrite" | "fresh";

/** Opens, writes piece by piece, closes. @throws {ErrnoError} What the first of them that fails answers. */
export function writeFile(path: string, opening: Opening, pieces: readonly string[]): void {
  const flags = opening === "fresh" ? O_CREAT | O_EXCL | O_RDWR : O_CREAT | O_TRUNC | O_WRONLY;
  const fd = check(symbols.open(cString(path), flags, opening === "fresh" ? 0o600 : 0o666), `open ${path}`);
  try {
    for (const piece of pieces) {
      const bytes = new TextEncoder().encode(piece);
      write(fd, bytes, bytes.length);
    }
  } catch (error) {
    tryClose(fd);
    throw error;
  }
  close(fd);
}

/** @throws {ErrnoError} */
export function rename(from: string, to: string): void {
  check(symbols.rename(cString(from), cString(to)), `rename ${from} ${to}`);
}

/** @throws {ErrnoError} */
export function unlink(path: string): void {
  check(symbols.unlink(cString(path)), `unlink ${path}`);
}

/** What a call that threw answered. */
export function outcomeOf(error: unknown): Outcome {
  if (!(error instanceof ErrnoError)) throw error;
  const isGone = error.is("ENOTCONN") || error.is("ECONNABORTED");
  return isGone
    ? { kind: "unknown" }
    : { kind: "refused", errno: errnoName(error.errno) ?? String(error.errno) };
}

function tryClose(fd: number) {
  try {
    close(fd);
  } catch {
    // The write has said why already.
  }
}
