import type { DatabaseSync, StatementSync } from "node:sqlite";
import { Lane } from "./lane.ts";
import { must } from "../../must.ts";
import { order, type Ready, Turns } from "./turns.ts";

/** What becomes of a job in a search. */
export type Verdict =
  | "may-start"
  /** Not now. */
  | "passed-over";

/** A lane in a search. */
interface Cursor {
  lane: Lane;
  uid: number;
  index: number;
}

/** Before the number of any job: what stands for a lane whose first job is not known. */
const UNKNOWN = -(2 ** 40);

/**
 * The line before the slots. It has a lane for each user, and later for each kind of place that jobs ask for:
 * whose share is used up, their lane is not asked, however many wait in it. The first of each lane is kept in
 * order, so that a search costs what it finds, however many lanes there are.
 */
export class Line {
  readonly #database: DatabaseSync;
  readonly #isHeld: (number: number) => boolean;
  readonly #select: StatementSync;
  readonly #insert: StatementSync;
  /** By number, those that may have a job. */
  readonly #lanes = new Map<number, { uid: number; lane: Lane }>();
  /** The first of each of them, and whose that is; of turn -1 where it is not known. */
  readonly #heads = new Turns();
  readonly #headOf = new Map<number, Ready>();
  readonly #laneOfHead = new Map<number, number>();
  readonly #numberOf = new Map<number, number>();
  readonly #uidOf = new Map<number, number>();

  constructor(database: DatabaseSync, isHeld: (number: number) => boolean) {
    this.#database = database;
    this.#isHeld = isHeld;
    this.#insert = database.prepare("INSERT INTO lanes (uid, host, use) VALUES (?, '', '') RETURNING lane");
    this.#select = database.prepare(
      `SELECT number, turn FROM jobs INDEXED BY jobs_ready
       WHERE ready AND lane = ?1 AND turn >= ?2 AND (turn > ?2 OR number > ?3) ORDER BY turn, number LIMIT ?4`,
    );
    this.#read();
  }

  #read() {
    for (const { lane, uid } of this.#database.prepare("SELECT lane, uid FROM lanes").all()) {
      this.#know(uid as number, lane as number);
    }
    this.reset();
  }

  /** Within a change: a file that was salvaged may have its jobs, and not their lanes. @param undo As of `Transactions`. */
  restore(undo: (step: () => void) => void): void {
    if (this.#uidOf.size > 0 || !this.#database.prepare("SELECT 1 FROM jobs LIMIT 1").get()) return;
    this.#database.exec(`
      INSERT INTO lanes (uid, host, use) SELECT DISTINCT uid, '', '' FROM jobs;
      UPDATE jobs SET lane = (SELECT lane FROM lanes WHERE lanes.uid = jobs.uid)`);
    undo(() => this.#forgetAll());
    this.#read();
  }

  /** Within a change: the lane of a user's jobs. @param undo As of `Transactions`. */
  laneOf(uid: number, undo: (step: () => void) => void): number {
    const known = this.#numberOf.get(uid);
    if (known !== undefined) return known;
    const lane = this.#insert.get(uid)?.lane as number;
    this.#know(uid, lane);
    undo(() => {
      this.#numberOf.delete(uid);
      this.#uidOf.delete(lane);
      this.#forget(lane); // Another user's may get the number.
    });
    return lane;
  }

  /** A job is ready, and not held; or is again. */
  add(lane: number, ready: Ready): void {
    const known = this.#lanes.get(lane)?.lane ?? this.#open(lane, "empty");
    known.add(ready);
    this.#putHead(lane, known);
  }

  remove(lane: number, ready: Ready): void {
    const known = this.#lanes.get(lane)?.lane;
    known?.remove(ready);
    if (known) this.#putHead(lane, known);
  }

  /** Forgets what is in memory of the jobs: the database went back to what it was before. It is not asked here. */
  reset(): void {
    this.#lanes.clear();
    this.#heads.keepFirst(0);
    this.#headOf.clear();
    this.#laneOfHead.clear();
    for (const lane of this.#uidOf.keys()) this.#putHead(lane, this.#open(lane, "stored"));
  }

  /**
   * The first `limit` that may start, in order, none of them from the turn `line` on.
   * @param room How many more of a user may start; not asked again for those found.
   */
  find(
    limit: number,
    line: number,
    room: (uid: number) => number,
    judge: (ready: Ready) => Verdict,
  ): number[] {
    this.#learnHeads();
    const found: number[] = [];
    const taken = new Map<number, number>();
    const hasRoom = (uid: number) => (taken.get(uid) ?? 0) < room(uid);
    /** The lanes that have had their turn. */
    let begun: Cursor[] = [];
    for (let next = 0; found.length < limit;) {
      const head = this.#heads.at(next);
      let first = firstOf(begun);
      if (head && (!first || order(head, first.ready) < 0)) {
        next++;
        const cursor = { ...this.#laneOf(head), index: 0 };
        if (!hasRoom(cursor.uid)) continue;
        begun.push(cursor);
        first = { cursor, ready: head };
      }
      if (!first || first.ready.turn >= line) break;
      const { cursor, ready } = first;
      cursor.index++;
      if (judge(ready) === "passed-over") continue;
      found.push(ready.number);
      taken.set(cursor.uid, (taken.get(cursor.uid) ?? 0) + 1);
      if (!hasRoom(cursor.uid)) begun = begun.filter(({ uid }) => uid !== cursor.uid);
    }
    return found;
  }

  /** Asks for the first of each lane of which it is not known. */
  #learnHeads() {
    for (let head = this.#heads.at(0); head && head.turn < 0; head = this.#heads.at(0)) {
      const { lane } = this.#laneOf(head);
      lane.at(0);
      this.#putHead(must(this.#laneOfHead.get(head.number), "a head is of a lane"), lane);
    }
  }

  #laneOf(head: Ready): { uid: number; lane: Lane } {
    const number = must(this.#laneOfHead.get(head.number), "a head is of a lane");
    return must(this.#lanes.get(number), "a lane that has a head is there");
  }

  /** A lane has another first one, or none: then it is not asked before something comes to it. */
  #putHead(number: number, lane: Lane) {
    const head = lane.isEmpty ? undefined : lane.first ?? { turn: -1, number: UNKNOWN + number };
    const before = this.#headOf.get(number);
    if (head && before?.number === head.number && before.turn === head.turn) return;
    this.#forgetHead(number);
    if (!head) return void this.#lanes.delete(number);
    this.#heads.add(head);
    this.#headOf.set(number, head);
    this.#laneOfHead.set(head.number, number);
  }

  #forgetHead(lane: number) {
    const head = this.#headOf.get(lane);
    if (!head) return;
    this.#heads.remove(head);
    this.#headOf.delete(lane);
    this.#laneOfHead.delete(head.number);
  }

  #forget(lane: number) {
    this.#forgetHead(lane);
    this.#lanes.delete(lane);
  }

  #forgetAll() {
    this.#numberOf.clear();
    this.#uidOf.clear();
    this.reset();
  }

  #know(uid: number, lane: number) {
    this.#numberOf.set(uid, lane);
    this.#uidOf.set(lane, uid);
  }

  #open(number: number, state: "empty" | "stored"): Lane {
    const fetch = (after: Ready, limit: number) =>
      (this.#select.all(number, after.turn, after.number, limit) as { number: number; turn: number }[])
        .map(({ number, turn }) => ({ number, turn }));
    const lane = new Lane(state, fetch, this.#isHeld);
    this.#lanes.set(number, { uid: this.#uidOf.get(number) ?? -1, lane });
    return lane;
  }
}

function firstOf(cursors: readonly Cursor[]): { cursor: Cursor; ready: Ready } | undefined {
  let first: { cursor: Cursor; ready: Ready } | undefined;
  for (const cursor of cursors) {
    const ready = cursor.lane.at(cursor.index);
    if (ready && (!first || order(ready, first.ready) < 0)) first = { cursor, ready };
  }
  return first;
}
