import type { DatabaseSync, StatementSync } from "node:sqlite";
import { type Bytes, PIECE_BYTES, Pieces } from "../../job/pieces.ts";
import { must } from "../../must.ts";
import type { Counters } from "./counters.ts";

/** What is longer is in chunks: SQLite writes a row anew, with all that is in it, whenever something of it changes. */
const IN_ROW_BYTES = PIECE_BYTES;

/** A content as its job's row has it. */
export interface Placed {
  /** All of it, or nothing if it is in chunks. */
  inRow: Uint8Array;
  /** Of a content in chunks: `BYTES:CHUNK,FIRST-LAST,…`; `null`: there are none. */
  chunks: string | null;
}

export const NO_CONTENT: Placed = { inRow: new Uint8Array(), chunks: null };

/**
 * Contents that are too long for the rows of their jobs: each piece is a chunk. A chunk never changes: a content that
 * takes the place of another has new ones where it differs, and shares the others, within one job.
 */
export class Contents {
  readonly #counters: Counters;
  readonly #insert: StatementSync;
  readonly #select: StatementSync;
  readonly #delete: StatementSync;
  readonly #count: StatementSync;
  /** The chunk that a piece was last stored as, or read from: neither ever changes, and no chunk's number comes twice. */
  readonly #chunkOf = new WeakMap<Uint8Array, number>();
  /** They are not dropped with who had them. */
  #moving: ReadonlySet<number> = new Set();

  constructor(database: DatabaseSync, counters: Counters) {
    this.#counters = counters;
    this.#insert = database.prepare("INSERT INTO contents (chunk, bytes) VALUES (?, ?)");
    this.#select = database.prepare("SELECT bytes FROM contents WHERE chunk = ?");
    this.#delete = database.prepare("DELETE FROM contents WHERE chunk = ?");
    this.#count = database.prepare("SELECT count(*) AS count FROM contents WHERE chunk BETWEEN ? AND ?");
  }

  /**
   * Within a change, as `free`: stores a content, as far as it does not fit into a row and is not there.
   * @param own The chunks that its job has already.
   */
  place(content: Bytes, own: readonly (string | null)[]): Placed {
    if (content.length <= IN_ROW_BYTES) {
      return { inRow: content instanceof Uint8Array ? content : content.subarray(), chunks: null };
    }
    const known = new Set(chunksOf(own));
    const chunks = Pieces.of(content).all.map((piece) => {
      const chunk = this.#chunkOf.get(piece);
      if (chunk !== undefined && known.has(chunk)) return chunk;
      const added = this.#add(piece);
      known.add(added);
      return added;
    });
    return { ...NO_CONTENT, chunks: `${content.length}:${print(chunks)}` };
  }

  read(placed: string): Pieces {
    return Pieces.from(
      chunksOf([placed]).map((chunk) => {
        const piece = must(this.#select.get(chunk), "a chunk that a job has is there").bytes as Uint8Array;
        this.#chunkOf.set(piece, chunk);
        return piece;
      }),
    );
  }

  /** Whether all of a content is there: in a file that was salvaged, it may not be. */
  isWhole(placed: string): boolean {
    return rangesOf(placed).every(([first, last]) =>
      this.#count.get(first, last)?.count === last - first + 1
    );
  }

  /** Drops the chunks that a job had before, and has no more. */
  free(before: readonly (string | null)[], after: readonly (string | null)[]) {
    const kept = new Set(chunksOf(after));
    for (const chunk of new Set(chunksOf(before)).difference(kept)) {
      if (!this.#moving.has(chunk)) this.#delete.run(chunk);
    }
  }

  /** Within a change: does what gives these chunks to another job. That one must have all of them then. */
  move<Made>(chunks: readonly (string | null)[], act: () => Made): Made {
    const moving = new Set(chunksOf(chunks));
    this.#moving = this.#moving.union(moving);
    try {
      return act();
    } finally {
      this.#moving = this.#moving.difference(moving);
    }
  }

  #add(piece: Uint8Array): number {
    const chunk = this.#counters.next("chunk");
    this.#insert.run(chunk, piece);
    this.#chunkOf.set(piece, chunk);
    return chunk;
  }
}

/** How long a content in chunks is. */
export function bytesOf(placed: string): number {
  return Number.parseInt(placed);
}

/** Those that follow each other are most often numbered so, and the row of a job stays short. */
function print(chunks: readonly number[]): string {
  const ranges: [first: number, last: number][] = [];
  for (const chunk of chunks) {
    const range = ranges.at(-1);
    if (range && chunk === range[1] + 1) range[1] = chunk;
    else ranges.push([chunk, chunk]);
  }
  return ranges.map(([first, last]) => first === last ? first : `${first}-${last}`).join();
}

function chunksOf(placed: readonly (string | null)[]): number[] {
  return placed.flatMap((one) => one === null ? [] : rangesOf(one)).flatMap(([first, last]) =>
    Array.from({ length: last - first + 1 }, (_, index) => first + index)
  );
}

function rangesOf(placed: string): [first: number, last: number][] {
  const ranges = placed.slice(placed.indexOf(":") + 1).split(",");
  return ranges.map((range) => {
    const [first = 0, last = first] = range.split("-").map(Number);
    return [first, last];
  });
}
