import type { DatabaseSync, StatementSync } from "node:sqlite";

/** Longest chunk that is stored in one row, bytes: SQLite keeps a row in a linked list of pages, read from its start. */
const CHUNK_BYTES = 65_536;

/** The logs: each is a run of chunks, keyed by job and position, so that a read touches only what it wants. */
export class SqliteLogs {
  readonly #insert: StatementSync;
  readonly #delete: StatementSync;
  readonly #before: StatementSync;
  readonly #after: StatementSync;

  constructor(database: DatabaseSync) {
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

  /** @param position Where the log ends now. Log and position stay below 4 GiB. */
  append(number: number, position: number, bytes: Uint8Array) {
    for (let start = 0; start < bytes.length; start += CHUNK_BYTES) {
      this.#insert.run(number, position + start, bytes.subarray(start, start + CHUNK_BYTES));
    }
  }

  drop(number: number) {
    this.#delete.run(number);
  }

  read(number: number, offset: number, size: number): Uint8Array {
    const into = new Uint8Array(size);
    let length = 0;
    let end = offset;
    const take = (row: Record<string, unknown>) => {
      const position = row.position as number;
      const bytes = (row.bytes as Uint8Array).subarray(
        Math.max(0, offset - position),
        offset + size - position,
      );
      into.set(bytes, Math.max(0, position - offset));
      length += bytes.length;
      end = position + (row.bytes as Uint8Array).length;
    };
    const first = this.#before.get(number, offset);
    if (first) take(first);
    const others = end < offset + size ? this.#after.all(number, offset, offset + size) : [];
    for (const row of others) take(row);
    return into.subarray(0, length);
  }
}
