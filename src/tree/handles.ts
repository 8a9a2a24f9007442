import { ErrnoError, type Fh, type Opened } from "../fuse/mod.ts";
import type { Accounts } from "./accounts.ts";
import type { Handle } from "./node.ts";

/** What is open, each counted among the handles of who opened it. */
export class Handles {
  readonly #accounts: Accounts;
  readonly #open = new Map<Fh, { handle: Handle; uid: number }>();
  #last = 0n;

  constructor(accounts: Accounts) {
    this.#accounts = accounts;
  }

  /**
   * Counts what `open` opens.
   * @throws {ErrnoError} EMFILE, ENFILE; what `open` throws: it has opened nothing then.
   */
  async add<Result extends { handle: Handle }>(
    uid: number,
    open: () => Promise<Result>,
  ): Promise<{ made: Result; opened: Opened }> {
    this.#accounts.take(uid, "handles", 1);
    try {
      const made = await open();
      const { handle } = made;
      const fh = ++this.#last as Fh;
      this.#open.set(fh, { handle, uid });
      return { made, opened: handle.cache ? { fh, cache: handle.cache } : { fh } };
    } catch (error) {
      this.#accounts.giveBack(uid, "handles", 1);
      throw error;
    }
  }

  /** @throws {ErrnoError} EBADF. */
  byId(fh: Fh): Handle {
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
