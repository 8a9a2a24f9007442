import { ErrnoError } from "../errno.ts";
import { check, lastErrno, LIBC } from "../libc.ts";

const { symbols: libc } = Deno.dlopen(LIBC, {
  mmap: { parameters: ["pointer", "usize", "i32", "i32", "i32", "i64"], result: "pointer" },
  mprotect: { parameters: ["pointer", "usize", "i32"], result: "i32" },
});

// sys/mman.h
const PROT_READ = 1;
const PROT_WRITE = 2;
const PROT_EXEC = 4;
const MAP_PRIVATE = 0x02;
const MAP_ANONYMOUS = 0x20;
const MAP_FAILED = 0xffff_ffff_ffff_ffffn;

/**
 * Makes code executable, for as long as this process lives. No memory is writable and executable at once.
 * @returns Where it is.
 * @throws {ErrnoError} ENOMEM, or EACCES where a policy forbids it.
 */
export function loadCode<Function>(code: Uint8Array): Deno.PointerObject<Function> {
  const size = BigInt(code.length);
  const memory = libc.mmap(null, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0n);
  if (memory === null || Deno.UnsafePointer.value(memory) === MAP_FAILED) {
    throw new ErrnoError(lastErrno(), "mmap");
  }
  new Uint8Array(Deno.UnsafePointerView.getArrayBuffer(memory, code.length)).set(code);
  check(libc.mprotect(memory, size, PROT_READ | PROT_EXEC), "mprotect");
  return memory as Deno.PointerObject<Function>;
}
