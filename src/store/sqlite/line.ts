import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { Asks } from "../../job/header.ts";
import { formatUse, type FreeSlots, MAX_USES, NO_USE, parseUse, type Use } from "../../job/pools.ts";
import type { HeldUp } from "../../job/turn.ts";
import { Lane } from "./lane.ts";
import { must } from "../../must.ts";
import { order, type Ready, Turns } from "./turns.ts";

/** A lane, with what is known of it. */
interface UserLane {
  readonly number: number;
  readonly uid: number;
  /** The user's, whose room lanes of several ids may share. */
  readonly account: number;
  /** What its jobs want of pools: all the same. */
  readonly use: Use;
  /** How many jobs it has, those included that are not ready. Of lanes without pools nobody asks. */
  count: number;
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
/** So many lanes of pools without a job are kept for the next. */
const KEPT_IDLE = 2 * MAX_USES;

/**
 * The line before the slots. It has a lane for each user, and for each of what a user's jobs want of pools: whose
 * share is used up, or whose pools are, their lane is not asked, however many wait in it. The first of each lane is kept in
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
  /** The lanes of pools, by user and `use`. */
  readonly #laneOfUse = new Map<string, UserLane>();
  readonly #delete: StatementSync;
  readonly #heads = new Turns<Head>();
  /** How many of the lanes that have jobs want several pools. */
  #wide = 0;

  constructor(
    database: DatabaseSync,
    isHeld: (number: number) => boolean,
    accountOf: (uid: number) => number,
  ) {
    this.#database = database;
    this.#isHeld = isHeld;
    this.#accountOf = accountOf;
    this.#insert = database.prepare("INSERT INTO lanes (uid, host, use) VALUES (?, '', ?) RETURNING lane");
    this.#delete = database.prepare("DELETE FROM lanes WHERE lane = ?");
    this.#select = database.prepare(
      `SELECT number, turn FROM jobs INDEXED BY jobs_ready
       WHERE ready AND lane = ?1 AND turn >= ?2 AND (turn > ?2 OR number > ?3) ORDER BY turn, number LIMIT ?4`,
    );
    this.#read();
  }

  #read() {
    for (const { lane, uid, use } of this.#database.prepare("SELECT lane, uid, use FROM lanes").all()) {
      this.#open(lane as number, uid as number, use === "" ? NO_USE : parseUse(use as string) ?? NO_USE);
    }
    if (this.#laneOfUse.size === 0) return;
    const counts = this.#database.prepare(
      `SELECT lane, count(*) AS count FROM jobs
       WHERE ended IS NULL AND lane IN (SELECT lane FROM lanes WHERE use <> '') GROUP BY lane`,
    );
    for (const { lane, count } of counts.all()) {
      const known = this.#lanes.get(lane as number);
      if (known) known.count = count as number;
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
    const asking = this.#database.prepare(
      "SELECT number, uid, asks FROM jobs WHERE ended IS NULL AND asks IS NOT NULL",
    );
    const setLane = this.#database.prepare("UPDATE jobs SET lane = ? WHERE number = ?");
    for (const { number, uid, asks } of asking.all()) {
      const { use } = JSON.parse(asks as string) as Asks;
      if (!use) continue;
      const lane = this.laneOf(uid as number, use, undo);
      setLane.run(lane, number as number);
      this.count(lane, 1);
    }
  }

  /** Within a change: the lane of a user's jobs that want this of pools. @param undo As of `Transactions`. */
  laneOf(uid: number, use: Use, undo: (step: () => void) => void): number {
    const known = use.length === 0 ? this.#laneOfUser.get(uid) : this.#laneOfUse.get(keyOf(uid, use))?.number;
    if (known !== undefined) return known;
    if (use.length > 0) this.#removeIdle(undo);
    const lane = this.#open(this.#insert.get(uid, formatUse(use))?.lane as number, uid, use);
    undo(() => this.#close(lane)); // Another user's may get the number.
    return lane.number;
  }

  /** A job comes to a lane, or leaves it (-1). */
  count(number: number, by: 1 | -1): void {
    const lane = this.#lanes.get(number);
    if (lane) lane.count += by;
  }

  /** How many different `use` a user's jobs have, that one included. */
  usesOf(uid: number, use: Use): number {
    let uses = this.#laneOfUse.get(keyOf(uid, use))?.count ? 0 : 1;
    for (const lane of this.#laneOfUse.values()) if (lane.uid === uid && lane.count > 0) uses++;
    return uses;
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
   * The first `limit` that may start, in order, none of them held up.
   * @param room How many more of a user may start; not asked again for those found, which count for the account.
   * @param pools Closes lanes; asked before each of their jobs.
   * @param mayStart Asked once of each job: one that may has what it wants of pools from then on.
   */
  find(
    limit: number,
    heldUp: HeldUp,
    room: (uid: number) => number,
    pools: Pick<FreeSlots, "isClosed">,
    mayStart: (ready: Ready) => boolean,
  ): number[] {
    this.#learnHeads();
    const found: number[] = [];
    const taken = new Map<number, number>();
    const hasRoom = ({ uid, account }: UserLane) => (taken.get(account) ?? 0) < room(uid);
    const all = this.#wide === 0 ? "one-pool-each" : "any";
    const isShut = ({ use }: UserLane) => use.length > 0 && pools.isClosed(use, all);
    /** The lanes that have had their turn, and may have another. */
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
      if (!first) break;
      const { cursor, ready } = first;
      const { lane } = cursor;
      if (heldUp.has(ready.turn, lane.uid) || !hasRoom(lane) || isShut(lane)) {
        drop(cursor);
        continue;
      }
      cursor.index++;
      if (!mayStart(ready)) {
        if (isShut(lane)) drop(cursor); // It has reserved its pools.
        continue;
      }
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
    this.#dropHead(lane);
    lane.head = ready && { ...ready, lane };
    if (!lane.head) return;
    this.#heads.add(lane.head);
    if (lane.use.length > 1) this.#wide++;
  }

  #dropHead({ head, use }: UserLane) {
    if (!head) return;
    this.#heads.remove(head);
    if (use.length > 1) this.#wide--;
  }

  /** Of all users' lanes of pools those without a job, once they are many. */
  #removeIdle(undo: (step: () => void) => void) {
    if (this.#laneOfUse.size < KEPT_IDLE) return;
    const idle = [...this.#laneOfUse.values()].filter(({ count }) => count === 0);
    if (idle.length < KEPT_IDLE) return;
    for (const { number, uid, use } of idle) {
      this.#delete.run(number);
      this.#close(must(this.#lanes.get(number), "a lane of pools is one of all"));
      undo(() => this.#open(number, uid, use));
    }
  }

  #open(number: number, uid: number, use: Use = NO_USE): UserLane {
    const known = this.#lanes.get(number);
    if (known) this.#close(known);
    const account = this.#accountOf(uid);
    const lane: UserLane = {
      ...{ number, uid, account, use, count: 0 },
      jobs: this.#stored(number),
      head: undefined,
    };
    this.#lanes.set(number, lane);
    if (use.length > 0) this.#laneOfUse.set(keyOf(uid, use), lane);
    else this.#laneOfUser.set(uid, number);
    this.#putHead(lane);
    return lane;
  }

  #close(lane: UserLane) {
    const { number, uid, use } = lane;
    this.#dropHead(lane);
    this.#lanes.delete(number);
    if (use.length > 0) this.#laneOfUse.delete(keyOf(uid, use));
    else this.#laneOfUser.delete(uid);
  }

  #stored(number: number): Lane {
    const fetch = (after: Ready, limit: number) =>
      (this.#select.all(number, after.turn, after.number, limit) as { number: number; turn: number }[])
        .map(({ number, turn }) => ({ number, turn }));
    return new Lane(fetch, this.#isHeld);
  }
}

function keyOf(uid: number, use: Use): string {
  return `${uid} ${formatUse(use)}`;
}

function firstOf(cursors: readonly Cursor[]): { cursor: Cursor; ready: Ready } | undefined {
  let first: { cursor: Cursor; ready: Ready } | undefined;
  for (const cursor of cursors) {
    const ready = cursor.lane.jobs.at(cursor.index);
    if (ready && (!first || order(ready, first.ready) < 0)) first = { cursor, ready };
  }
  return first;
}
