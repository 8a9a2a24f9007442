import type { DatabaseSync, StatementSync } from "node:sqlite";
import { Lane } from "./lane.ts";
import { order, type Ready, Turns } from "./turns.ts";

/** A lane, with what is known of it. */
interface UserLane {
  readonly number: number;
  readonly uid: number;
  /** The user's, whose room lanes of several ids may share. */
  readonly account: number;
  jobs: Lane;
  /** Its place in the order of all lanes; `undefined`: it has no job, and is not asked before one comes to it. */
  head: Head | undefined;
}

/** The first job of a lane; of turn -1 where that is not known. */
interface Head extends Ready {
  readonly lane: UserLane;
}

/** A lane in a search. */
interface Cursor {
  lane: UserLane;
  index: number;
}

/** Before the number of any job: what stands for a lane whose first job is not known. */
const UNKNOWN = -(2 ** 40);
/** Whose a lane is that is missing in a file that was salvaged. */
const NOBODY = -1;

/**
 * The line before the slots. It has a lane for each user, and later for each kind of place that jobs ask for:
 * whose share is used up, their lane is not asked, however many wait in it. The first of each lane is kept in
 * order, so that a search costs what it finds, however many lanes there are.
 */
export class Line {
  readonly #database: DatabaseSync;
  readonly #isHeld: (number: number) => boolean;
  readonly #accountOf: (uid: number) => number;
  readonly #select: StatementSync;
  readonly #insert: StatementSync;
  readonly #lanes = new Map<number, UserLane>();
  readonly #laneOfUser = new Map<number, number>();
  readonly #heads = new Turns<Head>();

  constructor(
    database: DatabaseSync,
    isHeld: (number: number) => boolean,
    accountOf: (uid: number) => number,
  ) {
    this.#database = database;
    this.#isHeld = isHeld;
    this.#accountOf = accountOf;
    this.#insert = database.prepare("INSERT INTO lanes (uid, host, use) VALUES (?, '', '') RETURNING lane");
    this.#select = database.prepare(
      `SELECT number, turn FROM jobs INDEXED BY jobs_ready
       WHERE ready AND lane = ?1 AND turn >= ?2 AND (turn > ?2 OR number > ?3) ORDER BY turn, number LIMIT ?4`,
    );
    this.#read();
  }

  #read() {
    for (const { lane, uid } of this.#database.prepare("SELECT lane, uid FROM lanes").all()) {
      this.#open(lane as number, uid as number);
    }
  }

  /** Within a change: a file that was salvaged may have its jobs, and not their lanes. @param undo As of `Transactions`. */
  restore(undo: (step: () => void) => void): void {
    if (this.#lanes.size > 0 || !this.#database.prepare("SELECT 1 FROM jobs LIMIT 1").get()) return;
    this.#database.exec(`
      INSERT INTO lanes (uid, host, use) SELECT DISTINCT uid, '', '' FROM jobs;
      UPDATE jobs SET lane = (SELECT lane FROM lanes WHERE lanes.uid = jobs.uid)`);
    undo(() => {
      for (const lane of [...this.#lanes.values()]) this.#close(lane);
    });
    this.#read();
  }

  /** Within a change: the lane of a user's jobs. @param undo As of `Transactions`. */
  laneOf(uid: number, undo: (step: () => void) => void): number {
    const known = this.#laneOfUser.get(uid);
    if (known !== undefined) return known;
    const lane = this.#open(this.#insert.get(uid)?.lane as number, uid);
    undo(() => this.#close(lane)); // Another user's may get the number.
    return lane.number;
  }

  /** A job is ready, and not held; or is again. */
  add(number: number, ready: Ready): void {
    const lane = this.#lanes.get(number) ?? this.#open(number, NOBODY);
    lane.jobs.add(ready);
    this.#putHead(lane);
  }

  remove(number: number, ready: Ready): void {
    const lane = this.#lanes.get(number);
    lane?.jobs.remove(ready);
    if (lane) this.#putHead(lane);
  }

  /** Forgets what is in memory of the jobs: the database went back to what it was before. It is not asked here. */
  reset(): void {
    for (const lane of this.#lanes.values()) {
      lane.jobs = this.#stored(lane.number);
      this.#putHead(lane);
    }
  }

  /**
   * The first `limit` that may start, in order, none of them from the turn `line` on.
   * @param room How many more of a user may start; not asked again for those found, which count for the account.
   */
  find(
    limit: number,
    line: number,
    room: (uid: number) => number,
    mayStart: (ready: Ready) => boolean,
  ): number[] {
    this.#learnHeads();
    const found: number[] = [];
    const taken = new Map<number, number>();
    const hasRoom = ({ uid, account }: UserLane) => (taken.get(account) ?? 0) < room(uid);
    /** The lanes that have had their turn, and have room. */
    const begun: Cursor[] = [];
    const drop = (cursor: Cursor) => begun.splice(begun.indexOf(cursor), 1);
    for (let next = 0; found.length < limit;) {
      const head = this.#heads.at(next);
      let first = firstOf(begun);
      if (head && (!first || order(head, first.ready) < 0)) {
        next++;
        const cursor = { lane: head.lane, index: 0 };
        begun.push(cursor);
        first = { cursor, ready: head };
      }
      if (!first || first.ready.turn >= line) break;
      const { cursor, ready } = first;
      const { lane } = cursor;
      if (!hasRoom(lane)) {
        drop(cursor);
        continue;
      }
      cursor.index++;
      if (!mayStart(ready)) continue;
      found.push(ready.number);
      taken.set(lane.account, (taken.get(lane.account) ?? 0) + 1);
      if (!hasRoom(lane)) drop(cursor);
    }
    return found;
  }

  /** Asks for the first of each lane of which it is not known. */
  #learnHeads() {
    for (let head = this.#heads.at(0); head && head.turn < 0; head = this.#heads.at(0)) {
      head.lane.jobs.at(0);
      this.#putHead(head.lane);
    }
  }

  /** A lane may have another first job. */
  #putHead(lane: UserLane) {
    const { jobs, head: before } = lane;
    const ready = jobs.isEmpty ? undefined : jobs.first ?? { turn: -1, number: UNKNOWN + lane.number };
    if (before && ready && order(before, ready) === 0) return;
    if (before) this.#heads.remove(before);
    lane.head = ready && { ...ready, lane };
    if (lane.head) this.#heads.add(lane.head);
  }

  #open(number: number, uid: number): UserLane {
    const known = this.#lanes.get(number);
    if (known) this.#close(known);
    const account = this.#accountOf(uid);
    const lane: UserLane = { number, uid, account, jobs: this.#stored(number), head: undefined };
    this.#lanes.set(number, lane);
    this.#laneOfUser.set(uid, number);
    this.#putHead(lane);
    return lane;
  }

  #close({ number, uid, head }: UserLane) {
    if (head) this.#heads.remove(head);
    this.#lanes.delete(number);
    this.#laneOfUser.delete(uid);
  }

  #stored(number: number): Lane {
    const fetch = (after: Ready, limit: number) =>
      (this.#select.all(number, after.turn, after.number, limit) as { number: number; turn: number }[])
        .map(({ number, turn }) => ({ number, turn }));
    return new Lane(fetch, this.#isHeld);
  }
}

function firstOf(cursors: readonly Cursor[]): { cursor: Cursor; ready: Ready } | undefined {
  let first: { cursor: Cursor; ready: Ready } | undefined;
  for (const cursor of cursors) {
    const ready = cursor.lane.jobs.at(cursor.index);
    if (ready && (!first || order(ready, first.ready) < 0)) first = { cursor, ready };
  }
  return first;
}
