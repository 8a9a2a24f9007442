import assert from "node:assert/strict";
import { ErrnoError } from "../fuse/mod.ts";
import type { FileNo } from "../job/id.ts";
import type { Accounts } from "./accounts.ts";
import type { CommandFile } from "./command_file.ts";

/** What keeps a job from starting. */
export type Hold = "open" | "closed" | "waiting" | "let go";

const NEXT: Record<Hold, readonly Hold[]> = {
  "let go": ["open", "waiting"],
  "open": ["closed", "let go"],
  "closed": ["open", "waiting", "let go"],
  "waiting": ["open", "waiting", "let go"],
};

/**
 * What we know of a job in pending/ beyond what is stored: who has it open, and whether we hold it.
 *
 * ```
 *   let go          ──▶ open      it is made, or opened for writing
 *   let go, waiting ──▶ waiting   mv(1) brings it to pending/; or we could not store that it is let go
 *   open            ──▶ closed    its last writer closes
 *   closed          ──▶ waiting   it is unfinished
 *   closed          ──▶ let go    it is not
 *   waiting         ──▶ let go    its time is over, or it has another id
 *   closed, waiting ──▶ open      it is opened for writing again
 *   any             ──▶ let go    it is removed, moved out of pending/, or another is renamed onto it
 * ```
 *
 * A job that is *let go* may start. In each other state it is *held*: the queue does not start it, and it
 * counts for its owner. An *open* one may be written to. Of a *closed* one we take back what was refused. A
 * *waiting* one is held for a time: its maker is not done with it (*unfinished*: makers.ts), mv(1) looks at
 * what it has just moved, or the disk is full.
 *
 * It is known by its file: where that is renamed onto another job, it goes on as that one.
 *
 * The file has states of its own, see CommandFile. It is *spoiled* once a write failed, and *removed* once
 * the job is removed or leaves pending/ by hand: who has it open goes on. The job may come back, and has
 * another file then.
 */
export class OpenJob {
  readonly #accounts: Accounts;
  #hold: Hold = "let go";
  /** Whom it is counted for while it is held: its owner when that began. */
  #owner = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** The content, while somebody has it open. */
  file: CommandFile | undefined;
  /** The content that somebody still has open of the job as it was removed, or left pending/, last. */
  removedFile: CommandFile | undefined;
  /** Its maker has more to do to it than to write it; until that is done, or its time is over. */
  isUnfinished = false;
  /** `refused`: what it was last closed as may be stored, but whoever closed it was told that it is not: it is not to run. */
  lastClose: "accepted" | "refused" = "accepted";

  /** @param number Of its file. */
  constructor(readonly number: FileNo, accounts: Accounts) {
    this.#accounts = accounts;
  }

  get hold(): Hold {
    return this.#hold;
  }

  get isHeld(): boolean {
    return this.#hold !== "let go";
  }

  /** Whether nothing is known of it. */
  get isIdle(): boolean {
    return !this.isHeld && !this.isUnfinished && !this.file && !this.removedFile;
  }

  get owner(): number {
    return this.#owner;
  }

  /** Somebody opens it for writing. @param owner Whose job it is. */
  open(owner: number) {
    if (this.#hold !== "open") this.#enter("open", owner);
  }

  /** Nobody has it open for writing any more. */
  close() {
    this.#enter("closed", this.#owner);
  }

  /** It waits for so long, if nothing else comes, and then `then` is called. */
  wait(owner: number, ms: number, then: () => void) {
    this.#enter("waiting", owner);
    this.#timer = setTimeout(then, ms);
  }

  letGo() {
    this.#enter("let go", this.#owner);
  }

  /** The job is removed, or `moved` out of pending/ as it was last closed: who writes on is told so. */
  remove(how: "removed" | "moved") {
    this.isUnfinished = false;
    this.lastClose = "accepted"; // It comes back by somebody's word.
    const { file } = this;
    if (file) {
      file.isRemoved = true;
      if (how === "moved" && file.hasWriter) file.spoiled = new ErrnoError("ESTALE");
      this.file = undefined;
      this.removedFile = file;
    }
    if (this.isHeld) this.letGo();
  }

  /** Nobody has that file open any more. */
  forget(file: CommandFile) {
    if (this.file === file) this.file = undefined;
    if (this.removedFile === file) this.removedFile = undefined;
  }

  [Symbol.dispose]() {
    clearTimeout(this.#timer);
  }

  #enter(hold: Hold, owner: number) {
    assert.ok(NEXT[this.#hold].includes(hold), `job ${this.number} was ${this.#hold}, and is to be ${hold}`);
    clearTimeout(this.#timer);
    const wasHeld = this.isHeld;
    this.#hold = hold;
    if (!wasHeld) this.#owner = owner;
    if (this.isHeld !== wasHeld) this.#accounts.charge(this.#owner, "heldJobs", wasHeld ? -1 : 1);
  }
}
