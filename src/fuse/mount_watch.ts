import { close, openReadOnly } from "../sys/files/file.ts";
import { readOpenKernelFile } from "../sys/files/kernel_files.ts";
import { POLLIN, POLLPRI, PollSet, Waker } from "../sys/waiting/poll.ts";
import type { Mount } from "./mount.ts";
import { isOf, MOUNTINFO, parseMountInfo } from "./mountinfo.ts";

/**
 * Tells when somebody unmounts. After a lazy unmount the session hears of it only once the last open file is
 * closed, which may be never. Waiting costs nothing: the kernel reports each change of the mount table.
 * @see proc(5) on polling /proc/self/mountinfo
 */
export class MountWatch implements AsyncDisposable {
  /** Resolves once the mount is not in the mount table any more; never after the disposal. */
  readonly gone: Promise<void>;
  readonly #table = openReadOnly(MOUNTINFO);
  readonly #waker = new Waker();
  readonly #watching: Promise<void>;
  #isClosing = false;

  constructor(mount: Mount) {
    const gone = Promise.withResolvers<void>();
    this.gone = gone.promise;
    this.#watching = this.#watch(mount.connection, gone.resolve);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosing) return;
    this.#isClosing = true;
    this.#waker.wake();
    await this.#watching;
    close(this.#table);
    this.#waker[Symbol.dispose]();
  }

  async #watch(connection: number, onGone: () => void) {
    const sleep = new PollSet([{ fd: this.#table, events: POLLPRI }, { fd: this.#waker.fd, events: POLLIN }]);
    while (!this.#isClosing) {
      // Read the descriptor that we have: we may have none left when somebody mounts something.
      const mounts = parseMountInfo(readOpenKernelFile(this.#table));
      if (!mounts.some((mount) => isOf(connection, mount))) return onGone();
      await sleep.wait();
    }
  }
}
