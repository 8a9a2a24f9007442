import { ErrnoError, type Fh } from "../fuse/mod.ts";
import type { Accounts } from "./accounts.ts";

/** What is open, each counted among the handles of who opened it. */
export class Handles<Handle> {
  readonly #accounts: Accounts;
  readonly #open = new Map<Fh, { handle: Handle; uid: number }>();
  #last = 0n;

  constructor(accounts: Accounts) {
    this.#accounts = accounts;
  }

  /**
   * Counts the handle that `open` adds.
   * @throws {ErrnoError} EMFILE, ENFILE; what `open` throws: it has added none then.
   */
  async counted<Opened>(uid: number, open: () => Promise<Opened>): Promise<Opened> {
    this.#accounts.take(uid, "handles", 1);
    try {
      return await open();
    } catch (error) {
      this.#accounts.giveBack(uid, "handles", 1);
      throw error;
    }
  }

  /** Only within `counted`, for the same user. */
  add(uid: number, handle: Handle): Fh {
    const fh = ++this.#last as Fh;
    this.#open.set(fh, { handle, uid });
    return fh;
  }

  /** `undefined`: there is no such handle. */
  find(fh: Fh): Handle | undefined {
    return this.#open.get(fh)?.handle;
  }

  /** @throws {ErrnoError} EBADF. */
  get(fh: Fh): Handle {
    return this.#entry(fh).handle;
  }

  /** It is closed. @throws {ErrnoError} EBADF. */
  remove(fh: Fh): Handle {
    const { handle, uid } = this.#entry(fh);
    this.#open.delete(fh);
    this.#accounts.giveBack(uid, "handles", 1);
    return handle;
  }

  #entry(fh: Fh) {
    const entry = this.#open.get(fh);
    if (!entry) throw new ErrnoError("EBADF");
    return entry;
  }
}
