import { ErrnoError } from "./errno.ts";

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
    const bytes = new Uint8Array(listsAt + pointers * POINTER_BYTES);
    let at = 0;
    for (const string of this.#strings) {
      bytes.set(string, at);
      at += string.length + 1;
    }
    return new Block(bytes, listsAt, lists);
  }
}

const ENCODER = new TextEncoder();
const POINTER_BYTES = 8;

/** Memory laid out by `Strings`, there until it is disposed of, whoever knows only an address in it. */
export class Block implements Disposable {
  readonly #start: bigint;
  readonly #lists: bigint[] = [];

  constructor(
    bytes: Uint8Array<ArrayBuffer>,
    listsAt: number,
    lists: readonly (readonly number[])[],
  ) {
    IN_USE.set(this, bytes);
    this.#start = addressOf(bytes);
    const view = new DataView(bytes.buffer);
    let at = listsAt;
    for (const list of lists) {
      this.#lists.push(this.#start + BigInt(at));
      for (const offset of list) {
        view.setBigUint64(at, this.#start + BigInt(offset), true);
        at += POINTER_BYTES;
      }
      at += POINTER_BYTES;
    }
  }

  string(offset: number): bigint {
    return this.#start + BigInt(offset);
  }

  list(index: number): bigint {
    return this.#lists[index] ?? 0n;
  }

  [Symbol.dispose](): void {
    IN_USE.delete(this);
  }
}

/** Keeps from the garbage collector what is reached by its address only. */
const IN_USE = new Map<Block, Uint8Array<ArrayBuffer>>();

/** Where it is, for as long as somebody can reach it. */
export function addressOf(
  memory: Uint8Array<ArrayBuffer> | Int32Array<ArrayBuffer> | Uint32Array<ArrayBuffer>,
): bigint {
  return BigInt(Deno.UnsafePointer.value(Deno.UnsafePointer.of(memory)));
}
