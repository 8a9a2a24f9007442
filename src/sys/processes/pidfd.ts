import { ErrnoError } from "../errno.ts";
import { close } from "../files/file.ts";
import { opened } from "../files/reserve.ts";
import { syscall, trySyscall } from "../system_call.ts";

/** Numbers of signal(7) that are the same on x86-64 and arm64. */
const SIGNAL = { none: 0, SIGKILL: 9, SIGTERM: 15, SIGCONT: 18, SIGSTOP: 19 } as const;
export type SignalName = Exclude<keyof typeof SIGNAL, "none">;

const PIDFD_SIGNAL_PROCESS_GROUP = 4; // linux/pidfd.h, since 6.9

/** A process, held so that its number can't come to mean another while it is signalled. Close-on-exec. */
export class Pidfd implements Disposable {
  #fd: number | undefined;

  private constructor(fd: number) {
    this.#fd = fd;
  }

  /** @throws {ErrnoError} ESRCH if there is no such process; ENOSYS before Linux 5.3; EMFILE, ENFILE. */
  static open(pid: number): Pidfd {
    return new Pidfd(opened(() => trySyscall("pidfd_open", pid, 0, 0, 0), "pidfd_open"));
  }

  /** Readable once the process has ended, poll(2). */
  get fd(): number {
    return this.#require();
  }

  /** @throws {ErrnoError} ESRCH if it is gone; EPERM. */
  signal(name: SignalName): void {
    syscall("pidfd_send_signal", this.#require(), SIGNAL[name], 0, 0);
  }

  /**
   * Signals the group that this process leads or led; it need not live any more.
   * @throws {ErrnoError} ESRCH if nothing is left of it; EPERM; EINVAL before Linux 6.9.
   */
  signalGroup(name: SignalName): void {
    syscall("pidfd_send_signal", this.#require(), SIGNAL[name], 0, PIDFD_SIGNAL_PROCESS_GROUP);
  }

  /**
   * Whether the group that this process leads or led has a process, a zombie included.
   * @returns `undefined` if the kernel can't tell (before Linux 6.9).
   */
  hasGroup(): boolean | undefined {
    try {
      syscall("pidfd_send_signal", this.#require(), SIGNAL.none, 0, PIDFD_SIGNAL_PROCESS_GROUP);
      return true;
    } catch (error) {
      if (!(error instanceof ErrnoError)) throw error;
      if (error.is("EPERM")) return true;
      return error.is("ESRCH") ? false : undefined;
    }
  }

  [Symbol.dispose](): void {
    if (this.#fd !== undefined) close(this.#fd);
    this.#fd = undefined;
  }

  #require(): number {
    if (this.#fd === undefined) throw new Error("the pidfd is closed");
    return this.#fd;
  }
}
