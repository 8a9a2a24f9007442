import { must } from "../must.ts";
import { ErrnoError } from "./errno.ts";
import { check, lastErrno, LIBC } from "./libc.ts";

const { symbols: libc } = Deno.dlopen(LIBC, {
  calloc: { parameters: ["usize", "usize"], result: "pointer" },
  free: { parameters: ["pointer"], result: "void" },
  mmap: { parameters: ["pointer", "usize", "i32", "i32", "i32", "i64"], result: "pointer" },
  munmap: { parameters: ["pointer", "usize"], result: "i32" },
});

// sys/mman.h
const PROT_READ_WRITE = 3;
const MAP_SHARED_ANONYMOUS = 0x21;
const MAP_FAILED = 0xffff_ffff_ffff_ffffn;

/**
 * Memory of C's, zeros at first. It stays at one address until it is disposed of, even if the thread that
 * made it ends before.
 */
export class CMemory implements Disposable {
  readonly address: bigint;
  /** Not to be touched once it is disposed of. */
  readonly buffer: ArrayBuffer;
  readonly #kind: "own" | "shared";
  readonly #bytes: Uint8Array;
  #pointer: Deno.PointerObject | null;
  #filledBytes = 0;

  /**
   * @param kind "shared": also with a child that has a copy of all the rest.
   * @throws {ErrnoError} ENOMEM.
   */
  constructor(sizeBytes: number, kind: "own" | "shared" = "own") {
    this.#kind = kind;
    const pointer = kind === "own" ? libc.calloc(1n, BigInt(sizeBytes)) : mapShared(sizeBytes);
    if (pointer === null) throw new ErrnoError("ENOMEM", "calloc");
    this.#pointer = pointer;
    this.address = BigInt(Deno.UnsafePointer.value(pointer));
    this.buffer = Deno.UnsafePointerView.getArrayBuffer(pointer, sizeBytes);
    this.#bytes = new Uint8Array(this.buffer);
  }

  /** Memory with these bytes in it. */
  static of(bytes: Uint8Array | Uint32Array): CMemory {
    const memory = new CMemory(bytes.byteLength);
    memory.append(bytes);
    return memory;
  }

  /** Copies bytes behind those that were appended before. @returns Their address. */
  append(bytes: Uint8Array | Uint32Array | BigUint64Array): bigint {
    const { buffer, byteOffset, byteLength } = bytes;
    return this.#appendBytes(
      bytes instanceof Uint8Array ? bytes : new Uint8Array(buffer, byteOffset, byteLength),
      0,
    );
  }

  /** The same, with a NUL behind them. */
  appendString(bytes: Uint8Array): bigint {
    return this.#appendBytes(bytes, 1);
  }

  [Symbol.dispose](): void {
    if (this.#pointer === null) return;
    if (this.#kind === "own") libc.free(this.#pointer);
    else check(libc.munmap(this.#pointer, BigInt(this.buffer.byteLength)), "munmap");
    this.#pointer = null;
  }

  #appendBytes(bytes: Uint8Array, zeros: number): bigint {
    const at = this.#filledBytes;
    this.#bytes.set(bytes, at);
    this.#filledBytes += bytes.length + zeros;
    return this.address + BigInt(at);
  }
}

function mapShared(sizeBytes: number): Deno.PointerObject {
  const pointer = libc.mmap(null, BigInt(sizeBytes), PROT_READ_WRITE, MAP_SHARED_ANONYMOUS, -1, 0n);
  if (Deno.UnsafePointer.value(pointer) === MAP_FAILED) throw new ErrnoError(lastErrno(), "mmap");
  return must(pointer, "mmap(2) gives no memory at 0 that was not asked for there");
}

/** Where it is, for as long as somebody can reach it. */
export function addressOf(memory: Uint8Array<ArrayBuffer> | Int32Array<ArrayBuffer>): bigint {
  return BigInt(Deno.UnsafePointer.value(Deno.UnsafePointer.of(memory)));
}
