import type { DatabaseSync, StatementSync } from "node:sqlite";
import { concat } from "../../job/log_text.ts";
import type { Counters } from "./counters.ts";

/** Longest chunk that is stored in one row, bytes: SQLite keeps a row in a linked list of pages, read from its start. */
const CHUNK_BYTES = 65_536;

/** The first of a log's bytes are in the row of its attempt, and most logs have no others. */
const HEAD_BYTES = 1_024;

/** Where the bytes of a log are. */
export interface StoredLog {
  head: Uint8Array;
  bytes: number;
  /** The number of its chunks, which follow the head; `null`: it has none. */
  chunks: number | null;
}

export const NO_LOG: StoredLog = { head: new Uint8Array(), bytes: 0, chunks: null };

/** The logs: each a head, and chunks keyed by log and position, so that a read touches only what it wants. */
export class Logs {
  readonly #counters: Counters;
  readonly #insert: StatementSync;
  readonly #delete: StatementSync;
  readonly #before: StatementSync;
  readonly #after: StatementSync;

  constructor(database: DatabaseSync, counters: Counters) {
    this.#counters = counters;
    const range = "chunk BETWEEN (?1 << 32) AND ((?1 << 32) | 0xffffffff)";
    this.#insert = database.prepare("INSERT INTO logs (chunk, bytes) VALUES ((?1 << 32) | ?2, ?3)");
    this.#delete = database.prepare(`DELETE FROM logs WHERE ${range}`);
    this.#before = database.prepare(
      `SELECT chunk & 0xffffffff AS position, bytes FROM logs
       WHERE chunk BETWEEN (?1 << 32) AND ((?1 << 32) | ?2) ORDER BY chunk DESC LIMIT 1`,
    );
    this.#after = database.prepare(
      `SELECT chunk & 0xffffffff AS position, bytes FROM logs
       WHERE chunk > ((?1 << 32) | ?2) AND chunk < ((?1 << 32) | ?3) ORDER BY chunk`,
    );
  }

  /** Within a change, as `drop`: adds to the end of a log, which stays below 4 GiB. @returns What it is then. */
  extend({ head, bytes, chunks }: StoredLog, added: Uint8Array): StoredLog {
    const room = chunks === null ? Math.max(0, HEAD_BYTES - head.length) : 0;
    const rest = added.subarray(room);
    const longer = room === 0 ? head : concat(head, added.subarray(0, room));
    const number = rest.length > 0 ? chunks ?? this.#counters.next("log") : chunks;
    for (let start = 0; start < rest.length; start += CHUNK_BYTES) {
      this.#insert.run(number, bytes + room + start, rest.subarray(start, start + CHUNK_BYTES));
    }
    return { head: longer, bytes: bytes + added.length, chunks: number };
  }

  /** @param chunks The log's. */
  drop(chunks: number) {
    this.#delete.run(chunks);
  }

  read({ head, chunks }: StoredLog, offset: number, size: number): Uint8Array {
    const ofHead = head.subarray(offset, offset + size);
    if (chunks === null || ofHead.length === size) return ofHead;
    const into = new Uint8Array(size);
    into.set(ofHead);
    return into.subarray(0, ofHead.length + this.#readInto(into, chunks, offset, ofHead.length));
  }

  /** @param skip So much of `into` is filled. @returns How much more is then. */
  #readInto(into: Uint8Array, number: number, offset: number, skip: number): number {
    const [from, until] = [offset + skip, offset + into.length];
    let length = 0;
    let end = from;
    const take = (row: Record<string, unknown>) => {
      const position = row.position as number;
      const whole = row.bytes as Uint8Array;
      const bytes = whole.subarray(Math.max(0, from - position), Math.max(0, until - position));
      into.set(bytes, Math.max(0, position - from) + skip);
      length += bytes.length;
      end = position + whole.length;
    };
    const first = this.#before.get(number, from);
    if (first) take(first);
    const others = end < until ? this.#after.all(number, from, until) : [];
    for (const row of others) take(row);
    return length;
  }
}
