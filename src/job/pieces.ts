/** What the rules ask of a content: an array has it, and so has one in pieces. */
export interface Bytes {
  readonly length: number;
  at(index: number): number | undefined;
  /** Where it is, from a position on; -1: nowhere. */
  indexOf(byte: number, from?: number): number;
  includes(byte: number): boolean;
  /** Maybe a view; not to be changed. */
  subarray(from?: number, to?: number): Uint8Array;
}

/** Of each piece but the last. */
export const PIECE_BYTES = 65_536;
const ZEROS = new Uint8Array(PIECE_BYTES);

/**
 * A content in pieces: a value that never changes. A later version of it shares the pieces that are the same, so
 * that a write costs what it brings, and who keeps an older version keeps only what is another now.
 */
export class Pieces implements Bytes {
  static readonly EMPTY = new Pieces([], 0);

  private constructor(readonly all: readonly Uint8Array[], readonly length: number) {}

  /** @param bytes Not copied: they must not change. */
  static of(bytes: Bytes): Pieces {
    if (bytes instanceof Pieces) return bytes;
    if (bytes instanceof Uint8Array && bytes.length <= PIECE_BYTES) { // As nearly all are.
      return bytes.length === 0 ? Pieces.EMPTY : new Pieces([bytes], bytes.length);
    }
    const pieces: Uint8Array[] = [];
    for (let from = 0; from < bytes.length; from += PIECE_BYTES) {
      pieces.push(bytes.subarray(from, Math.min(from + PIECE_BYTES, bytes.length)));
    }
    return new Pieces(pieces, bytes.length);
  }

  /** @param all Each but the last of `PIECE_BYTES`; not copied. */
  static from(all: readonly Uint8Array[]): Pieces {
    return new Pieces(all, all.reduce((sum, { length }) => sum + length, 0));
  }

  /** The version in which `data` is written at `offset`; what is between the end and that is zeros. */
  written(offset: number, data: Uint8Array): Pieces {
    if (offset > this.length) return this.resized(offset).written(offset, data);
    const end = offset + data.length;
    const all = [...this.all];
    for (let at = offset; at < end;) {
      const index = Math.floor(at / PIECE_BYTES);
      const start = index * PIECE_BYTES;
      const to = Math.min(start + PIECE_BYTES, end);
      const before = all[index] ?? ZEROS.subarray(0, 0);
      const piece = new Uint8Array(Math.max(before.length, to - start));
      if (to - at < piece.length) piece.set(before);
      piece.set(data.subarray(at - offset, to - offset), at - start);
      all[index] = piece;
      at = to;
    }
    return new Pieces(all, Math.max(this.length, end));
  }

  /** The version that is cut off there, or goes on with zeros up to there. */
  resized(length: number): Pieces {
    if (length === this.length) return this;
    const all = this.all.slice(0, Math.ceil(length / PIECE_BYTES));
    for (let index = Math.max(0, all.length - 1); index * PIECE_BYTES < length; index++) {
      const wanted = Math.min(PIECE_BYTES, length - index * PIECE_BYTES);
      const before = all[index];
      if (!before) all[index] = wanted === PIECE_BYTES ? ZEROS : ZEROS.subarray(0, wanted);
      else if (before.length !== wanted) {
        const piece = all[index] = new Uint8Array(wanted);
        piece.set(before.subarray(0, wanted));
      }
    }
    return new Pieces(all, length);
  }

  at(index: number): number | undefined {
    return this.all[Math.floor(index / PIECE_BYTES)]?.[index % PIECE_BYTES];
  }

  indexOf(byte: number, from = 0): number {
    for (let index = Math.floor(from / PIECE_BYTES); index < this.all.length; index++) {
      const start = index * PIECE_BYTES;
      const found = this.all[index]?.indexOf(byte, Math.max(0, from - start)) ?? -1;
      if (found >= 0) return start + found;
    }
    return -1;
  }

  includes(byte: number): boolean {
    return this.indexOf(byte) >= 0;
  }

  /** @param to Past the end: all there is. @returns A view of a piece, if it is all within one; else a copy. */
  subarray(from = 0, to = this.length): Uint8Array {
    const end = Math.min(to, this.length);
    if (from >= end) return ZEROS.subarray(0, 0);
    const [first, last] = [Math.floor(from / PIECE_BYTES), Math.floor((end - 1) / PIECE_BYTES)];
    const within = first === last ? this.all[first] : undefined;
    if (within?.length === end - from) return within;
    if (within) return within.subarray(from - first * PIECE_BYTES, end - first * PIECE_BYTES);
    const bytes = new Uint8Array(end - from);
    for (let index = first; index <= last; index++) {
      const start = index * PIECE_BYTES;
      const piece = this.all[index]?.subarray(Math.max(0, from - start), end - start);
      if (piece) bytes.set(piece, Math.max(0, start - from));
    }
    return bytes;
  }
}
