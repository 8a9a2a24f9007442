import { ErrnoError } from "../errno.ts";
import { Descriptor } from "../files/file.ts";
import { opened } from "../files/reserve.ts";
import { check } from "../libc.ts";
import { perform, systemCall } from "../system_call.ts";

/** Numbers of signal(7) that are the same on x86-64 and arm64. */
const SIGNAL = { none: 0n, SIGKILL: 9n, SIGUSR1: 10n, SIGTERM: 15n, SIGCONT: 18n, SIGSTOP: 19n } as const;
export type SignalName = Exclude<keyof typeof SIGNAL, "none">;

const TO_THE_PROCESS = 0n;
const PIDFD_SIGNAL_PROCESS_GROUP = 4n; // linux/pidfd.h, since 6.9

/**
 * A process, held so that its number can't come to mean another while it is signalled. Its descriptor is
 * readable once the process has ended, poll(2). Close-on-exec.
 */
export class Pidfd extends Descriptor {
  /** @throws {ErrnoError} ESRCH if there is no such process; ENOSYS before Linux 5.3; EMFILE, ENFILE. */
  static open(pid: number): Pidfd {
    return new Pidfd(opened(() => perform(systemCall("pidfd_open", BigInt(pid))), "pidfd_open"));
  }

  /** @throws {ErrnoError} ESRCH if it is gone; EPERM. */
  signal(name: SignalName): void {
    this.#send(SIGNAL[name], TO_THE_PROCESS);
  }

  /**
   * Signals the group that this process leads or led; it need not live any more.
   * @throws {ErrnoError} ESRCH if nothing is left of it; EPERM; EINVAL before Linux 6.9.
   */
  signalGroup(name: SignalName): void {
    this.#send(SIGNAL[name], PIDFD_SIGNAL_PROCESS_GROUP);
  }

  /**
   * Whether the group that this process leads or led has a process, a zombie included.
   * @returns `undefined` if the kernel can't tell (before Linux 6.9).
   */
  hasGroup(): boolean | undefined {
    try {
      this.#send(SIGNAL.none, PIDFD_SIGNAL_PROCESS_GROUP);
      return true;
    } catch (error) {
      if (!(error instanceof ErrnoError)) throw error;
      if (error.is("EPERM")) return true;
      return error.is("ESRCH") ? false : undefined;
    }
  }

  #send(signal: bigint, flags: bigint) {
    const call = systemCall("pidfd_send_signal", BigInt(this.fd), signal, 0n, flags);
    check(perform(call), call.name);
  }
}
