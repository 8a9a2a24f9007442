import type { RunToken } from "../job/attempt.ts";
import { NEWLINE } from "../job/log_text.ts";

/** Where a log ends. */
interface End {
  bytes: number;
  lastByte: number;
}

/** The logs of the runs that this process started: it alone writes them, and so knows where they end. */
export class RunLogs {
  readonly #ends = new Map<RunToken, End>();

  /** @param headerBytes What the log begins with, which is a line. */
  begin(run: RunToken, headerBytes: number) {
    this.#ends.set(run, { bytes: headerBytes, lastByte: NEWLINE });
  }

  /** Bytes were added at the end. */
  added(run: RunToken, bytes: Uint8Array) {
    const end = this.#ends.get(run);
    if (!end) return;
    end.bytes += bytes.length;
    end.lastByte = bytes.at(-1) ?? end.lastByte;
  }

  /** `undefined`: it was started by another process. */
  end(run: RunToken): Readonly<End> | undefined {
    return this.#ends.get(run);
  }

  forget(run: RunToken) {
    this.#ends.delete(run);
  }
}
