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
const MAP_ANONYMOUS = { shared: 0x21, private: 0x22 } as const;
const MAP_FAILED = 0xffff_ffff_ffff_ffffn;

/** Memory of C's, zeros at first. It stays at one address until disposed of, also past its thread's end. */
export class CMemory implements Disposable {
  readonly address: bigint;
  /** Not to be touched once it is disposed of. */
  readonly buffer: ArrayBuffer;
  readonly bytes: Uint8Array;
  readonly #kind: "own" | "shared";
  #pointer: Deno.PointerObject | null;

  /** @param kind "shared": also with a child that has a copy of all the rest. @throws {ErrnoError} ENOMEM. */
  constructor(sizeBytes: number, kind: "own" | "shared" = "own") {
    this.#kind = kind;
    const pointer = kind === "own" ? libc.calloc(1n, BigInt(sizeBytes)) : mapPages(sizeBytes, "shared");
    if (pointer === null) throw new ErrnoError("ENOMEM", "calloc");
    this.#pointer = pointer;
    this.address = BigInt(Deno.UnsafePointer.value(pointer));
    this.buffer = Deno.UnsafePointerView.getArrayBuffer(pointer, sizeBytes);
    this.bytes = new Uint8Array(this.buffer);
  }

  /** Memory with these bytes in it. */
  static of(bytes: Uint8Array | Uint32Array): CMemory {
    const memory = new CMemory(bytes.byteLength);
    memory.bytes.set(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength));
    return memory;
  }

  [Symbol.dispose](): void {
    if (this.#pointer === null) return;
    if (this.#kind === "own") libc.free(this.#pointer);
    else check(libc.munmap(this.#pointer, BigInt(this.buffer.byteLength)), "munmap");
    this.#pointer = null;
  }
}

/** Pages of zeros, readable and writable; "shared" with children too. @throws {ErrnoError} ENOMEM. */
export function mapPages(sizeBytes: number, kind: keyof typeof MAP_ANONYMOUS): Deno.PointerObject {
  const pointer = libc.mmap(null, BigInt(sizeBytes), PROT_READ_WRITE, MAP_ANONYMOUS[kind], -1, 0n);
  if (Deno.UnsafePointer.value(pointer) === MAP_FAILED) throw new ErrnoError(lastErrno(), "mmap");
  return must(pointer, "mmap(2) gives no memory at 0 that was not asked for there");
}

/** Memory of C's, filled bit by bit: each part stays at its address until the arena is disposed of. */
export class Arena implements Disposable {
  readonly #blocks: CMemory[] = [];
  /** Of the last block. */
  #filledBytes = 0;

  /** Adds a text, with NUL behind it. @throws {ErrnoError} EINVAL for a NUL in it, ENOMEM. */
  text(text: string | Uint8Array): bigint {
    const bytes = typeof text === "string" ? ENCODER.encode(text) : text;
    if (bytes.includes(0)) throw new ErrnoError("EINVAL", "NUL in a string for C");
    return this.#add(bytes, bytes.length + 1, 1);
  }

  /** Adds a list of texts: their addresses, and NULL behind them. @throws {ErrnoError} As `text`. */
  texts(texts: readonly (string | Uint8Array)[]): bigint {
    return this.numbers(BigUint64Array.from([...texts.map((text) => this.text(text)), 0n]));
  }

  /** @throws {ErrnoError} ENOMEM. */
  numbers(numbers: Uint32Array | BigUint64Array): bigint {
    const { buffer, byteOffset, byteLength, BYTES_PER_ELEMENT } = numbers;
    return this.#add(new Uint8Array(buffer, byteOffset, byteLength), byteLength, BYTES_PER_ELEMENT);
  }

  [Symbol.dispose](): void {
    for (const block of this.#blocks.splice(0)) block[Symbol.dispose]();
  }

  #add(bytes: Uint8Array, sizeBytes: number, alignment: number): bigint {
    let at = Math.ceil(this.#filledBytes / alignment) * alignment;
    let block = this.#blocks.at(-1);
    if (!block || at + sizeBytes > block.bytes.length) {
      block = new CMemory(Math.max(sizeBytes, BLOCK_BYTES));
      this.#blocks.push(block);
      at = 0;
    }
    block.bytes.set(bytes, at);
    this.#filledBytes = at + sizeBytes;
    return block.address + BigInt(at);
  }
}

const ENCODER = new TextEncoder();
const BLOCK_BYTES = 8_192;

/** Where it is, for as long as somebody can reach it. */
export function addressOf(memory: Uint8Array<ArrayBuffer> | Int32Array<ArrayBuffer>): bigint {
  return BigInt(Deno.UnsafePointer.value(Deno.UnsafePointer.of(memory)));
}
