/**
 * Kills the daemon at random moments under a random load, and checks after each time that nothing of what it promised is
 * broken. A seed repeats the load as far as timing allows: who comes first, the machine decides.
 */
import { Filed, filedCommand, Place } from "../harness.ts";
import { Checker } from "./checker.ts";
import { Load } from "./clients.ts";
import { Journal } from "./journal.ts";
import { endJobProcesses, jobProcesses } from "./leftovers.ts";
import type { Operation } from "./operations.ts";
import { cutPower } from "./power_cut.ts";
import { Random } from "./random.ts";
import { readSnapshot, type Snapshot } from "./snapshot.ts";

export interface SoakOptions {
  seed: number;
  kills: number;
  /** After each kill. */
  onKill?(figures: Figures): void;
  /** At once when a promise is broken. */
  onFault(fault: string): void;
}

export interface Figures {
  kills: number;
  stops: number;
  powerCuts: number;
  operations: number;
  /** Of which the outcome is unknown. */
  unknown: number;
  refused: number;
  runs: number;
}

const CLIENTS = 4;
const SETTINGS = { max_attempts: 3, timeout_sec: 2, max_job_count: 10, backoff_base: 0.01 };
/** At the end, so that all that waits soon has run. */
const LAST_SETTINGS = { max_attempts: 1, timeout_sec: 1, max_job_count: 20, backoff_base: 0 };
/** Within these the daemon is killed before it is ready. */
const START_MS = 400;

export async function soak(options: SoakOptions): Promise<Figures> {
  await using place = await Place.make();
  await using run = await Soak.begin(place, options);
  while (run.figures.kills < options.kills) await run.cycle();
  await run.finish();
  return run.figures;
}

class Soak implements AsyncDisposable {
  readonly figures: Figures = {
    kills: 0,
    stops: 0,
    powerCuts: 0,
    operations: 0,
    unknown: 0,
    refused: 0,
    runs: 0,
  };
  readonly #place: Place;
  readonly #options: SoakOptions;
  readonly #random: Random;
  readonly #journal: Journal;
  readonly #checker: Checker;
  readonly #load: Load;
  #filed: Filed | undefined;
  /** Runs of which a process outlived its daemon. */
  #leftRuns = new Set<string>();
  #goneVersions: string[] = [];
  #snapshots = 0;
  /** Each is told once, though many are seen again after each kill. */
  readonly #faults = new Set<string>();

  private constructor(place: Place, options: SoakOptions) {
    this.#place = place;
    this.#options = options;
    this.#random = new Random(options.seed);
    this.#journal = new Journal(`${place.path}/journal`);
    this.#checker = new Checker(this.#journal, SETTINGS, (fault) => this.#report(fault));
    this.#load = new Load(`${place.path}/mnt`, options.seed, CLIENTS, (operation) => this.#record(operation));
  }

  static async begin(place: Place, options: SoakOptions): Promise<Soak> {
    await Deno.mkdir(`${place.path}/locks`);
    await Deno.writeTextFile(`${place.path}/journal`, "");
    await using filed = await Filed.start(place, { config: SETTINGS });
    await filed.stop();
    return new Soak(place, options);
  }

  /** One life of a daemon. */
  async cycle(): Promise<void> {
    if (this.#random.chance(0.1)) return await this.#killWhileStarting();
    const filed = await this.#start();
    this.#load.go();
    const cut = this.#random.chance(0.3) ? await this.#cutPower(filed) : undefined;
    await this.#load.operations(this.#random.between(1, 200));
    const isKilled = this.#random.chance(0.92);
    if (isKilled) {
      await filed.stop("SIGKILL");
      await this.#load.idle();
    } else {
      await this.#load.pause();
      await filed.stop("SIGTERM");
      this.#journal.stopped();
      this.figures.stops++;
    }
    if (cut) {
      this.#checker.powerCut(cut, await readSnapshot(cut.path));
      await Deno.remove(cut.path);
    }
    await this.#check();
    if (isKilled) this.#countKill();
  }

  /** Lets all that waits run, and looks at it through the mount. */
  async finish(): Promise<void> {
    const filed = await this.#start();
    await filed.configure(LAST_SETTINGS);
    // What a crash found written and not closed waits for that.
    for (const id of await this.#waiting(filed)) {
      await Deno.utime(`${filed.mount}/pending/${id}`, new Date(), new Date()).catch(() => {}); // It runs by now.
    }
    await this.#drain(filed);
    const seen = await this.#listed(filed);
    const left = await jobProcesses(this.#place.path);
    if (left.length > 0) this.#report(`processes of jobs that ended live on: ${JSON.stringify(left)}`);
    await filed.stop();
    for (const fault of await this.#journal.read()) this.#report(fault);
    const { jobs } = await this.#copyState();
    for (const [id, { state, command, log }] of jobs) {
      const found = seen.get(id) ?? [];
      const text = state === "pending" ? command : log;
      if (found.length !== 1 || found[0]?.state !== state || found[0].text !== text) {
        this.#report(`${id} is in ${state}/, and seen in ${JSON.stringify(found)}`);
      }
    }
    if (seen.size !== jobs.size) this.#report(`${jobs.size} jobs, and ${seen.size} seen`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#load[Symbol.asyncDispose]();
    await this.#filed?.[Symbol.asyncDispose]();
    await endJobProcesses(this.#place.path);
  }

  async #start(): Promise<Filed> {
    const filed = this.#filed = await Filed.start(this.#place, { env: { SOAK: this.#place.path } });
    const alive = (await jobProcesses(this.#place.path)).filter(({ run }) => this.#leftRuns.has(run));
    if (alive.length > 0) this.#report(`not ended before the start: ${JSON.stringify(alive)}`);
    for (const fault of await this.#journal.read()) this.#report(fault);
    for (const version of this.#goneVersions.splice(0)) this.#journal.removed(version);
    return filed;
  }

  async #killWhileStarting() {
    const args = ["--state", `${this.#place.path}/filed.db`, "--grace", "0", `${this.#place.path}/mnt`];
    const [command, fullArgs] = filedCommand(args);
    const child = new Deno.Command(command, {
      args: fullArgs,
      cwd: this.#place.path,
      env: { SOAK: this.#place.path },
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    await new Promise((resolve) => setTimeout(resolve, this.#random.below(START_MS)));
    child.kill("SIGKILL");
    await child.status;
    await this.#check();
    this.#countKill();
  }

  #countKill() {
    this.figures.kills++;
    this.figures.runs = this.#journal.runs.size;
    this.#options.onKill?.(this.figures);
  }

  async #cutPower(filed: Filed) {
    await this.#load.operations(this.#random.between(1, 40));
    this.figures.powerCuts++;
    const copy = `${this.#place.path}/cut-${this.figures.powerCuts}.db`;
    const wait = () => this.#load.operations(this.#random.between(1, 20));
    return await cutPower(filed.pid, filed.state, copy, this.#random, wait);
  }

  /** What the daemon left, now that it is gone. */
  async #check() {
    for (const { run } of await jobProcesses(this.#place.path)) this.#leftRuns.add(run);
    this.#goneVersions.push(...await this.#checker.crashed(await this.#copyState()));
  }

  async #copyState(): Promise<Snapshot> {
    const state = `${this.#place.path}/filed.db`;
    const copy = `${this.#place.path}/copy-${++this.#snapshots}.db`;
    await Deno.copyFile(state, copy);
    await Deno.copyFile(`${state}-wal`, `${copy}-wal`).catch((error) => {
      if (!(error instanceof Deno.errors.NotFound)) throw error; // There is none after a stop.
    });
    const snapshot = await readSnapshot(copy);
    await Deno.remove(copy);
    return snapshot;
  }

  /** Waits until nothing runs, and nothing waits to run. */
  async #drain(filed: Filed) {
    for (;;) {
      const ended = filed.log.filter(({ message }) => message === "attempt ended").length;
      const left = [...await filed.list("active"), ...await this.#waiting(filed)];
      if (left.length === 0) return;
      try {
        await filed.events("attempt ended", {}, ended + 1);
      } catch (error) {
        this.#report(`${left.join(", ")} are never run, or never end: ${error}`);
        return;
      }
    }
  }

  /** The ids of pending jobs that are to run. */
  async #waiting(filed: Filed): Promise<string[]> {
    const waiting: string[] = [];
    for (const id of await filed.list("pending")) {
      const info = await Deno.stat(`${filed.mount}/pending/${id}`).catch(() => undefined);
      if (!id.startsWith(".") && info?.size !== 0) waiting.push(id);
    }
    return waiting;
  }

  async #listed(filed: Filed): Promise<Map<string, { state: string; text: string }[]>> {
    const seen = new Map<string, { state: string; text: string }[]>();
    for (const state of ["pending", "active", "complete", "failed"]) {
      for (const id of await filed.list(state)) {
        const text = await Deno.readTextFile(`${filed.mount}/${state}/${id}`);
        seen.set(id, [...seen.get(id) ?? [], { state, text }]);
      }
    }
    return seen;
  }

  #record(operation: Operation) {
    this.#checker.record(operation);
    if (operation.step.kind === "find") return;
    this.figures.operations++;
    if (operation.outcome.kind === "unknown") this.figures.unknown++;
    if (operation.outcome.kind === "refused") this.figures.refused++;
  }

  #report(fault: string) {
    if (!this.#faults.has(fault)) this.#options.onFault(fault);
    this.#faults.add(fault);
  }
}
