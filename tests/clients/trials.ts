/** Programs that people have, each tried on a queue that they share; and what must have come of it: exactly those jobs. */
import assert from "node:assert/strict";
import { type Filed, type Ran, run, startFiled } from "../harness.ts";
import { mayLeaveOut, missing, packagesOf } from "./programs.ts";

/** Two cores, and programs that mostly wait. */
const AT_ONCE = 6;
/** Before the harness gives up: timeout(1) ends what a script has started, too. */
const LIMIT = "28s";

const TEXT = Array.from({ length: 600 }, (_, line) => `# ${line} ${"-".repeat(line % 40)}\n`).join("");
/** What programs submit: it takes several writes, and shows if it was cut short, doubled or mixed up. */
export const COMMAND = `echo begin\ncat <<'TEXT'\n${TEXT}TEXT\necho end\n`;

/** What its log shows of it. */
const SHOWN_BYTES = 4_096;
const MORE = `[filed: ${COMMAND.trimEnd().length - SHOWN_BYTES} more bytes of the command]`;
/** Its log. */
export const LOG = `>>> ${COMMAND.slice(0, SHOWN_BYTES)}\n${MORE}\nbegin\n${TEXT}end\n`;

/** A program's use, which is tried. */
export interface Trial {
  /** What it is, the program first. */
  name: string;
  /** Programs that it takes besides those of its name and script. */
  needs: string[];
  act(queue: Queue): Promise<void>;
}

/** What a trial has: a job's id and a folder of its own, in a queue for all. */
export class Queue {
  /** The ids of the jobs that are to run, or have. */
  readonly submitted: string[] = [];

  constructor(readonly filed: Filed, readonly id: string, readonly work: string) {}

  /**
   * Runs a shell script in the trial's folder, in which `$M` is the mount, `$P` its pending/, `$ID` a free id, `job` a file
   * with `COMMAND`, and `$CLIENTS` the folder of these tests.
   */
  sh(script: string): Promise<Ran> {
    return run(["timeout", LIMIT, "sh", "-c", `cd "$W" || exit\n${script}`], {
      M: this.filed.mount,
      P: `${this.filed.mount}/pending`,
      W: this.work,
      ID: this.id,
      CLIENTS: new URL(".", import.meta.url).pathname.replace(/\/$/, ""),
      HOME: this.work,
      XDG_DATA_HOME: this.work, // nano takes root's home from /etc/passwd.
    });
  }

  /** Runs such a script, which must succeed and say nothing against it. @returns What it printed. */
  async ok(script: string): Promise<string> {
    const { status, stdout, stderr } = await this.sh(script);
    assert.deepEqual({ status, stderr }, { status: 0, stderr: "" }, stdout);
    return stdout;
  }

  /** Waits until the job has ended. @returns Its log. */
  async finished(id: string): Promise<string> {
    this.submitted.push(id);
    return await this.filed.finished(id);
  }

  /** Submits a job, waits until it has ended. @returns Its log. */
  async finish(id: string, command: string): Promise<string> {
    await this.filed.submit(id, command);
    return await this.finished(id);
  }
}

/** A script that submits `COMMAND` as the job `$ID`. */
export function submits(name: string, script: string, ...more: string[]): Trial {
  return {
    name: `${name} submits once, and the whole`,
    needs: wordsOf(name, script, ...more),
    async act(queue) {
      await queue.ok(script);
      assert.equal(await queue.finished(queue.id), LOG);
    },
  };
}

/** A script that fails, says why on standard error, and submits nothing. */
export function refused(name: string, script: string, message: RegExp): Trial {
  return {
    name: `${name} says what is wrong`,
    needs: wordsOf(name, script),
    async act(queue) {
      const { status, stdout, stderr } = await queue.sh(script);
      assert.notEqual(status, 0, stdout);
      assert.match(stderr, message);
    },
  };
}

/** Anything else; the name says what must be true. */
export function holds(name: string, act: (queue: Queue) => Promise<void>, ...needs: string[]): Trial {
  return { name, needs: wordsOf(name, ...needs), act };
}

/**
 * Tries them, some at a time, on one queue, what comes `before` first; and reports each under its name. At
 * the end nothing may have run but what was to, that once, and nothing be left. What can't be tried for want
 * of a language is named and ignored; of another program, it is a failure for root, who can install it.
 */
export function tryAll(theme: string, trials: Trial[], before?: (queue: Queue) => Promise<void>) {
  Deno.test(`${theme}: each program does what it is used for`, async (test) => {
    await using filed = await startFiled();
    const work = `${filed.place.path}/work`;
    await Deno.mkdir(work);
    const first = new Queue(filed, "first", work);
    await before?.(first);
    const inTurn = new Turns(AT_ONCE);
    const all = trials.map((trial, index) => {
      const lacking = missing(trial.needs);
      const id = `${index}-${trial.name.split(" ", 1)[0]}`;
      const queue = new Queue(filed, id, `${work}/${id}`);
      const act = async () => {
        assert.deepEqual(lacking, [], `not tried: install ${packagesOf(lacking)}`);
        await Deno.mkdir(queue.work);
        await Deno.writeTextFile(`${queue.work}/job`, COMMAND);
        await trial.act(queue);
      };
      const outcome = mayLeaveOut(lacking) ? undefined : inTurn.take(act);
      outcome?.catch(() => {}); // It is awaited below, in the order of the trials.
      return { trial, queue, lacking, outcome };
    });
    for (const { trial: { name }, lacking, outcome } of all) {
      await test.step({
        name: outcome ? name : `${name} (not tried: no ${lacking})`,
        ignore: !outcome,
        fn: () => outcome as Promise<void>,
        sanitizeOps: false, // It began before this step.
        sanitizeResources: false,
      });
    }
    await test.step("nothing else has run, and nothing twice", async () => {
      await filed.finish("the-last", "true");
      const starts = filed.log.filter(({ message }) => message === "attempt started");
      assert.deepEqual(
        starts.map(({ properties }) => properties.job).sort(),
        [first, ...all.map(({ queue }) => queue)].flatMap(({ submitted }) => submitted).concat("the-last")
          .sort(),
      );
      assert.deepEqual([await filed.list("pending"), await filed.list("active")], [[], []]);
    });
  });
}

/** Lets so many act at a time, in the order in which they came. */
class Turns {
  readonly #waiting: (() => void)[] = [];

  constructor(private free: number) {}

  async take<T>(act: () => Promise<T>): Promise<T> {
    if (this.free > 0) this.free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await act();
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.free++;
    }
  }
}

function wordsOf(...texts: string[]): string[] {
  return [...new Set(texts.flatMap((text) => text.split(/[^\w.+-]+/)))];
}
