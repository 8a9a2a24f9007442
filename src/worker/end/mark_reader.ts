import type { RunToken } from "../../job/attempt.ts";
import { readState } from "./processes.ts";
import { delay } from "../../run/waiting.ts";
import { atMost } from "../../sys/waiting/deadline.ts";

/** A reader hangs if it has come no further in so long, and does not run either. */
const PATIENCE_MS = 200;
/** For how many times that one that runs may run: the machine may have other things to do. */
const LONGEST_RUN = 20;
/** Where no other process can be started, it is tried again. */
const STARTS = 5;
const RESTART_MS = 50;

/**
 * Prints the mark in each file, and then, at its end, the file's path; each at once, and with a NUL behind
 * it.
 */
const PROGRAM = "/bin/sed";
const SCRIPT = ["-z", "-s", "-u", "-n", "-e", "/^FILED_RUN=/p", "-e", "$F"];

/** A process that reads the marks of others, one after the other, and may hang at one. */
export class MarkReader {
  /** The marks of processes that were read to their ends, by pid; `undefined`: none. */
  readonly marks = new Map<number, RunToken | undefined>();
  hasEnded = false;
  /** Resolves once it has ended, and all that it printed is in `marks`. */
  readonly ended: Promise<void>;
  readonly #child: Deno.ChildProcess;
  #mark: RunToken | undefined;

  private constructor(child: Deno.ChildProcess) {
    this.#child = child;
    this.ended = this.#follow();
  }

  /** @returns `undefined` if there can be no other process. */
  static async start(pids: readonly number[]): Promise<MarkReader | undefined> {
    const command = new Deno.Command(PROGRAM, {
      args: [...SCRIPT, ...pids.map((pid) => `/proc/${pid}/environ`)],
      cwd: "/",
      clearEnv: true,
      env: { LC_ALL: "C" },
      stdin: "null",
      stdout: "piped",
      stderr: "null",
    });
    for (let start = 0; start < STARTS; start++) {
      try {
        return new MarkReader(command.spawn());
      } catch {
        await delay(RESTART_MS); // no room in the table of processes, no descriptor
      }
    }
    return undefined;
  }

  /** Resolves when it has ended, or has come no further for a while. */
  async untilItHangs(): Promise<void> {
    for (let waits = 0; waits < LONGEST_RUN; waits++) {
      const { size } = this.marks;
      await atMost(PATIENCE_MS, this.ended);
      if (this.hasEnded) return;
      if (this.marks.size > size) waits = 0;
      else if (readState(this.#child.pid) !== "R") return;
    }
  }

  kill(): void {
    if (!this.hasEnded) this.#child.kill("SIGKILL");
  }

  async #follow() {
    let rest = "";
    for await (const text of this.#child.stdout.pipeThrough(new TextDecoderStream("latin1"))) {
      const records = (rest + text).split("\0");
      rest = records.pop() ?? "";
      for (const record of records) this.#take(record);
    }
    await this.#child.status;
    this.hasEnded = true;
  }

  #take(record: string) {
    const [, pid] = /^\/proc\/(\d+)\/environ$/.exec(record) ?? [];
    if (pid === undefined) {
      this.#mark ??= record.slice("FILED_RUN=".length);
    } else {
      this.marks.set(Number(pid), this.#mark);
      this.#mark = undefined;
    }
  }
}
