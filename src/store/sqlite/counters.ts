import type { DatabaseSync, StatementSync } from "node:sqlite";
import { SUBMISSIONS, turnOf } from "../../job/turn.ts";
import { must } from "../../must.ts";
import type { Transactions } from "./transactions.ts";

/** Taken in one go: each time is a page to write. */
const BLOCK = 1_024;

/** What the store numbers, each in a sequence of its own in which no number comes twice. */
type Sequence = "job" | "submission" | "end" | "log" | "chunk";

/** Numbers that are taken from their sequence. */
interface Block {
  next: number;
  end: number;
  /** The sequence begins behind them, also after a crash. */
  isStored: boolean;
}

/** The numbers in use, for a file that was salvaged: it may have its jobs, and not its counters. */
const LAST_IN_USE: Record<Sequence, string> = {
  job: `SELECT max(coalesce((SELECT max(number) FROM jobs), 0), coalesce((SELECT max(job) FROM runs), 0),
    coalesce((SELECT max(attempt) >> 20 FROM attempts), 0), coalesce((SELECT max(file) FROM files), 0))`,
  submission: `SELECT max(turn % ${SUBMISSIONS}) FROM jobs`,
  end: "SELECT max(ended) FROM jobs",
  log: "SELECT max(chunk) >> 32 FROM logs",
  chunk: "SELECT max(chunk) FROM contents",
};

/** The numbers that the store gives out. All is called within a change. */
export class Counters {
  readonly #database: DatabaseSync;
  readonly #transactions: Transactions;
  readonly #reserve: StatementSync;
  readonly #select: StatementSync;
  readonly #blocks = new Map<Sequence, Block>();

  constructor(database: DatabaseSync, transactions: Transactions) {
    this.#database = database;
    this.#transactions = transactions;
    this.#reserve = database.prepare(
      `INSERT INTO counters (name, next) VALUES (:name, :start + :count)
       ON CONFLICT DO UPDATE SET next = next + :count RETURNING next`,
    );
    this.#select = database.prepare("SELECT next FROM counters WHERE name = ?");
  }

  /** The end of the queue. */
  nextTurn(): number {
    return turnOf(this.next("submission"));
  }

  next(sequence: Sequence): number {
    let block = this.#blocks.get(sequence);
    if (!block || block.next === block.end || !block.isStored) {
      this.#blocks.set(sequence, block = this.#reserveBlock(sequence, block?.next ?? 0));
    }
    return block.next++;
  }

  /** @param least What is below has been given out, though it may not be stored that it was. */
  #reserveBlock(sequence: Sequence, least: number): Block {
    const start = this.#select.get(sequence) ? 0 : this.#lastInUse(sequence) + 1;
    const first = this.reserve(sequence, BLOCK, start);
    const next = Math.max(first, least);
    if (next > first) this.reserve(sequence, next - first, 0);
    const block = { next, end: next + BLOCK, isStored: true };
    this.#transactions.undo(() => block.isStored = false);
    return block;
  }

  /** Takes the next `count` numbers of a counter, which begins at `start`. @returns The first. */
  reserve(name: string, count: number, start: number): number {
    const row = must(this.#reserve.get({ name, count, start }), "what is counted is returned");
    return row.next as number - count;
  }

  #lastInUse(sequence: Sequence): number {
    const [last] = Object.values(this.#database.prepare(LAST_IN_USE[sequence]).get() ?? {});
    return (last ?? 0) as number;
  }
}
