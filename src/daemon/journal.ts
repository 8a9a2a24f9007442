import { configure, dispose, getJsonLinesFormatter, type LogRecord } from "@logtape/logtape";
import { setImmediate } from "node:timers";
import { escapeInvisible } from "../job/invisible.ts";
import type { Settings } from "../settings.ts";
import { write } from "../sys/files/file.ts";
import { atMost } from "../sys/waiting/deadline.ts";
import { POLLOUT, PollSet } from "../sys/waiting/poll.ts";

/** How many bytes may wait for who reads standard error. Past them we drop lines, and the queue goes on. */
const MAX_WAITING_BYTES = 4 * 1024 * 1024;
/** How long the last lines may take when filed ends. */
const CLOSE_MS = 1_000;

/**
 * Sends the daemon's log to standard error, one line an event. Nothing in an event can start another.
 * @returns The journal; disposing of it writes the last lines.
 */
export async function openJournal({ logLevel, logFormat }: Settings): Promise<AsyncDisposable> {
  const formatRecord = logFormat === "json" ? getJsonLinesFormatter({ categorySeparator: "." }) : formatText;
  const output = new LineWriter();
  await configure({
    sinks: {
      // JSON escapes C0 only.
      stderr: (record: LogRecord) => output.write(`${escapeInvisible(formatRecord(record).trimEnd())}\n`),
    },
    loggers: [
      { category: "filed", lowestLevel: logLevel === "warn" ? "warning" : logLevel, sinks: ["stderr"] },
      { category: ["logtape", "meta"], lowestLevel: "error", sinks: ["stderr"] },
    ],
  });
  return {
    async [Symbol.asyncDispose]() {
      await dispose();
      await output.close();
    },
  };
}

const STDERR = 2;
/** A writable pipe takes as much without waiting (PIPE_BUF, pipe(7)); so do a socket, a terminal, a file. */
const READY_BYTES = 4_096;

/**
 * Writes the lines of one turn of the event loop at once, and never waits: a full pipe must not stop the
 * thread that serves the kernel. Another thread writes what standard error does not take at once; for each
 * line to go there costs 0.1 ms.
 */
class LineWriter {
  readonly #encoder = new TextEncoder();
  readonly #stderr = new PollSet([{ fd: STDERR, events: POLLOUT }]);
  #lines: string[] = [];
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #droppedLines = 0;
  #writing: Promise<void> | undefined;

  write(line: string) {
    if (this.#waitingBytes > MAX_WAITING_BYTES) return void this.#droppedLines++;
    if (this.#lines.length === 0) setImmediate(() => this.#writeLines());
    this.#lines.push(line);
  }

  #writeLines() {
    const all = this.#encoder.encode(this.#lines.join(""));
    this.#lines = [];
    const bytes = this.#waitingBytes === 0 ? this.#writeNow(all) : all;
    if (bytes.length === 0) return;
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
    this.#writing ??= this.#writeAll();
  }

  /** @returns The bytes that could not be written without waiting. */
  #writeNow(bytes: Uint8Array<ArrayBuffer>): Uint8Array {
    if (bytes.length > READY_BYTES) return bytes;
    try {
      return this.#stderr.now(0) === POLLOUT ? bytes.subarray(write(STDERR, bytes, bytes.length)) : bytes;
    } catch {
      return bytes; // The other thread meets the error.
    }
  }

  async close(): Promise<void> {
    this.#writeLines();
    if (this.#writing) await atMost(CLOSE_MS, this.#writing);
  }

  async #writeAll() {
    try {
      for (let bytes = this.#waiting.shift(); bytes; bytes = this.#waiting.shift()) {
        for (let written = 0; written < bytes.length;) {
          written += await Deno.stderr.write(bytes.subarray(written));
        }
        this.#waitingBytes -= bytes.length;
        if (this.#waiting.length === 0 && this.#droppedLines > 0) {
          this.#waiting.push(
            this.#encoder.encode(`filed: ${this.#droppedLines} log lines dropped: nobody read them\n`),
          );
          this.#droppedLines = 0;
        }
      }
    } catch {
      this.#waiting = []; // Nobody reads the log any more (EPIPE), or there is no room for it.
      this.#waitingBytes = 0;
    } finally {
      this.#writing = undefined;
    }
  }
}

/** `2026-01-31T12:00:00.000Z INFO attempt ended job="backup" attempt=1`. */
function formatText({ timestamp, level, message, properties }: LogRecord): string {
  const name = level === "warning" ? "WARN" : level.toUpperCase();
  const fields = Object.entries(properties).map(([key, value]) => ` ${key}=${formatValue(value)}`);
  return `${new Date(timestamp).toISOString()} ${name} ${message.join("")}${fields.join("")}`;
}

function formatValue(value: unknown): string {
  if (value instanceof Error) return JSON.stringify(describeError(value));
  if (typeof value === "bigint") return String(value);
  return JSON.stringify(value) ?? "null";
}

/** The error with what caused it; with the stack only for what nobody expected. */
function describeError(error: Error): string {
  const own = error.name === "TypeError" || error.name === "RangeError" || error.name === "ReferenceError"
    ? error.stack ?? error.message
    : error.message;
  return error.cause instanceof Error ? `${own} (${error.cause.message})` : own;
}
