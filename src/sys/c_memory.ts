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

/** Memory of C's, zeros at first: at one address until it is disposed of, even if the thread that made it ends before. */
export class CMemory implements Disposable {
  readonly address: bigint;
  /** Not to be touched once it is disposed of. */
  readonly buffer: ArrayBuffer;
  #pointer: Deno.PointerObject | null;

  /** @throws {ErrnoError} ENOMEM. */
  constructor(sizeBytes: number) {
    this.#pointer = libc.calloc(1n, BigInt(sizeBytes));
    if (this.#pointer === null) throw new ErrnoError("ENOMEM", "calloc");
    this.address = BigInt(Deno.UnsafePointer.value(this.#pointer));
    this.buffer = Deno.UnsafePointerView.getArrayBuffer(this.#pointer, sizeBytes);
  }

  /** Memory with these bytes in it. */
  static of(bytes: Uint8Array | Uint32Array): CMemory {
    const memory = new CMemory(bytes.byteLength);
    new Uint8Array(memory.buffer).set(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength));
    return memory;
  }

  [Symbol.dispose](): void {
    libc.free(this.#pointer);
    this.#pointer = null;
  }
}

/** Memory that a child has in common with us which has a copy of all the rest; zeros at first. */
export class SharedMemory implements Disposable {
  readonly address: bigint;
  /** Not to be touched once it is disposed of. */
  readonly buffer: ArrayBuffer;
  #pointer: Deno.PointerObject | null;

  /** @throws {ErrnoError} ENOMEM. */
  constructor(sizeBytes: number) {
    this.#pointer = libc.mmap(null, BigInt(sizeBytes), PROT_READ_WRITE, MAP_SHARED_ANONYMOUS, -1, 0n);
    this.address = BigInt(Deno.UnsafePointer.value(this.#pointer));
    if (this.#pointer === null || this.address === MAP_FAILED) throw new ErrnoError(lastErrno(), "mmap");
    this.buffer = Deno.UnsafePointerView.getArrayBuffer(this.#pointer, sizeBytes);
  }

  [Symbol.dispose](): void {
    if (this.#pointer === null) return;
    check(libc.munmap(this.#pointer, BigInt(this.buffer.byteLength)), "munmap");
    this.#pointer = null;
  }
}

/** Collects what becomes one block of memory: strings that end with NUL, and lists of their addresses that end with NULL. */
export class Strings {
  readonly #strings: Uint8Array[] = [];
  #sizeBytes = 0;

  /** @returns Where in the block it will be. @throws {ErrnoError} EINVAL for a NUL in it. */
  add(text: string | Uint8Array): number {
    const bytes = typeof text === "string" ? ENCODER.encode(text) : text;
    if (bytes.includes(0)) throw new ErrnoError("EINVAL", "NUL in a string for C");
    const offset = this.#sizeBytes;
    this.#strings.push(bytes);
    this.#sizeBytes += bytes.length + 1;
    return offset;
  }

  place(lists: readonly (readonly number[])[]): Block {
    const listsAt = Math.ceil(this.#sizeBytes / POINTER_BYTES) * POINTER_BYTES;
    const pointers = lists.reduce((sum, { length }) => sum + length + 1, 0);
    const memory = new CMemory(listsAt + pointers * POINTER_BYTES);
    const bytes = new Uint8Array(memory.buffer);
    let at = 0;
    for (const string of this.#strings) {
      bytes.set(string, at);
      at += string.length + 1;
    }
    return new Block(memory, listsAt, lists);
  }
}

const ENCODER = new TextEncoder();
const POINTER_BYTES = 8;

/** Memory laid out by `Strings`, there until it is disposed of. */
export class Block implements Disposable {
  readonly #memory: CMemory;
  readonly #lists: bigint[] = [];

  constructor(memory: CMemory, listsAt: number, lists: readonly (readonly number[])[]) {
    this.#memory = memory;
    const view = new DataView(memory.buffer);
    let at = listsAt;
    for (const list of lists) {
      this.#lists.push(memory.address + BigInt(at));
      for (const offset of list) {
        view.setBigUint64(at, memory.address + BigInt(offset), true);
        at += POINTER_BYTES;
      }
      at += POINTER_BYTES;
    }
  }

  string(offset: number): bigint {
    return this.#memory.address + BigInt(offset);
  }

  list(index: number): bigint {
    return this.#lists[index] ?? 0n;
  }

  [Symbol.dispose](): void {
    this.#memory[Symbol.dispose]();
  }
}

/** Where it is, for as long as somebody can reach it. */
export function addressOf(
  memory: Uint8Array<ArrayBuffer> | Int32Array<ArrayBuffer>,
): bigint {
  return BigInt(Deno.UnsafePointer.value(Deno.UnsafePointer.of(memory)));
}
