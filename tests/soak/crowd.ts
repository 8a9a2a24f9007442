/** A daemon with all that can keep one from ending. */
import { Filed, makeFifo, type Place, within } from "../harness.ts";
import { endJobProcesses, jobProcesses } from "./leftovers.ts";

/** Commands that go on until they are ended; each says `up` first. */
const COMMANDS = {
  plain: "$UP; sleep 60",
  stubborn: "trap '' TERM; $UP; while :; do sleep 60; done",
  stopped: "$UP; kill -STOP $$",
  forked: "sleep 60 & sh -c 'trap \"\" TERM; sleep 60 & wait' & $UP; wait",
  detached: "setsid sleep 60 & $UP; wait",
  daemon: "(setsid sh -c '(sleep 60; :) &' &); nohup sleep 60 > /dev/null 2>&1 & $UP; sleep 60",
  printing: "$UP; while echo line; do sleep 0.02; done",
} as const;

export const JOBS = 20;

/** The ids of the jobs, the first of each kind among them. */
export const IDS = Array.from({ length: JOBS }, (_, index) => `job-${index}`);

/** Twenty jobs of all kinds run; readers follow logs, a shell stands in the mount, somebody writes a job. */
export class Crowd implements AsyncDisposable {
  readonly #users: Deno.ChildProcess[] = [];

  private constructor(readonly filed: Filed, readonly place: Place) {}

  /**
   * Resolves once all of that is so. A job that runs once there is a file named `again` only says its attempt.
   * @param graceSec The daemon's.
   */
  static async gather(place: Place, graceSec: number): Promise<Crowd> {
    const filed = await Filed.start(place, {
      args: ["--grace", String(graceSec)],
      env: { SOAK: place.path },
      config: { max_job_count: JOBS, max_attempts: 1, timeout_sec: 0 },
    });
    const crowd = new Crowd(filed, place);
    try {
      await crowd.#fill();
      return crowd;
    } catch (error) {
      await crowd[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** What of the jobs lives. */
  processes(): ReturnType<typeof jobProcesses> {
    return jobProcesses(this.place.path);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.filed[Symbol.asyncDispose]();
    for (const user of this.#users) {
      try {
        user.kill("SIGKILL");
      } catch {
        // It has ended, as tail does when its file is gone.
      }
    }
    await Promise.all(this.#users.map((user) => user.status));
    await endJobProcesses(this.place.path);
  }

  async #fill() {
    const up = await makeFifo(this.place, "up");
    const said = within("all jobs to run", () => countLines(up, JOBS + 3));
    const commands = Object.values(COMMANDS);
    for (const [index, id] of IDS.entries()) {
      const command = commands[index % commands.length] as string;
      const first = "[ -e again ] && exec echo attempt $FILED_ATTEMPT";
      await this.filed.submit(id, `${first}; ${command.replace("$UP", `echo up > ${up}`)}`);
    }
    const { mount } = this.filed;
    this.#use(`exec 3< ${mount}/active/job-0; echo up > ${up}; exec tail -f ${mount}/active/job-6`);
    this.#use(`cd ${mount}/pending; echo up > ${up}; exec sleep 60`);
    // Not a shell: each copy of the descriptor that it closes, one for each fork, is a close that counts.
    const writer =
      "import os, sys, time; os.write(os.open(sys.argv[1], os.O_CREAT | os.O_WRONLY), b'echo cut sho');" +
      "open(sys.argv[2], 'w').write('up\\n'); time.sleep(60)";
    this.#start("python3", ["-c", writer, `${mount}/pending/open`, up]);
    await said;
  }

  #use(script: string) {
    this.#start("sh", ["-c", script]);
  }

  #start(program: string, args: string[]) {
    this.#users.push(
      new Deno.Command(program, { args, stdin: "null", stdout: "null", stderr: "null" }).spawn(),
    );
  }
}

/** Reads that many lines that come one by one through a FIFO. */
async function countLines(fifo: string, count: number): Promise<void> {
  using reader = await Deno.open(fifo, { read: true, write: true }); // Both: it does not end between two writers.
  const buffer = new Uint8Array(1_024);
  for (let lines = 0; lines < count;) {
    const length = await reader.read(buffer) ?? 0;
    lines += buffer.subarray(0, length).filter((byte) => byte === 10).length;
  }
}
