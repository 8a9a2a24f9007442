/** Holds what the clients were told against what a state file has. */
import { isDeepStrictEqual } from "node:util";
import { isDraft } from "../../src/job/id.ts";
import { versionOf } from "./commands.ts";
import type { Journal } from "./journal.ts";
import { faultOfComplete, faultOfFailed } from "./logs.ts";
import { familyOf, type Operation } from "./operations.ts";
import type { PowerCut } from "./power_cut.ts";
import type { Snapshot } from "./snapshot.ts";
import {
  after,
  type Cell,
  during,
  matching,
  NOTHING,
  ofFamily,
  restarted,
  settled,
  type Worlds,
} from "./worlds.ts";

type Settings = Readonly<Record<string, number>>;

/** What a model makes of operations: all that can be after one, or while it is under way. */
interface Model<T> {
  after(possible: readonly T[], operation: Operation): readonly T[];
  during(possible: readonly T[], operation: Operation): readonly T[];
}

const JOBS: Model<Worlds[number]> = { after, during: (worlds, { step }) => during(worlds, step) };
const SETTINGS: Model<Settings> = {
  after(possible, { step, outcome }) {
    if (step.kind !== "configure" || outcome.kind === "refused") return [];
    const changed = possible.map((settings) => ({ ...settings, ...step.settings }));
    return outcome.kind === "done" ? changed : [...possible, ...changed];
  },
  during(possible, { step }) {
    return step.kind === "configure"
      ? [...possible, ...possible.map((settings) => ({ ...settings, ...step.settings }))]
      : possible;
  },
};

export class Checker {
  readonly #journal: Journal;
  readonly #report: (fault: string) => void;
  /** What each family may be since the last crash, and what was done to it from then on. */
  readonly #families = new Map<string, { worlds: Worlds; operations: Operation[] }>();
  #settings: readonly Settings[];
  #settingsOperations: Operation[] = [];
  #versions = new Set<string>();

  /** @param settings As they are before the first operation. */
  constructor(journal: Journal, settings: Settings, report: (fault: string) => void) {
    this.#journal = journal;
    this.#settings = [settings];
    this.#report = report;
  }

  record(operation: Operation) {
    const { family, step } = operation;
    if (step.kind === "configure") return void this.#settingsOperations.push(operation);
    if (step.kind === "write") this.#versions.add(step.version);
    const known = this.#families.get(family) ?? { worlds: NOTHING, operations: [] };
    this.#families.set(family, known);
    known.operations.push(operation);
  }

  /** Checks a copy that was made at some time since the last crash, all operations since then recorded. */
  powerCut({ from, to }: PowerCut, snapshot: Snapshot) {
    const jobs = this.#cellsOf(snapshot);
    for (const [family, { worlds, operations }] of this.#families) {
      const possible = settled(between(JOBS, worlds, operations, from, to));
      this.#expect("after a power cut", family, possible, operations, jobs);
    }
    this.#expectSettings(between(SETTINGS, this.#settings, this.#settingsOperations, from, to), snapshot);
  }

  /**
   * Checks the state that a crash left, all operations before it recorded, and begins anew with it.
   * @returns The versions that were there before and are no more.
   */
  async crashed(snapshot: Snapshot): Promise<string[]> {
    const jobs = this.#cellsOf(snapshot);
    for (const id of jobs.keys()) {
      if (!this.#families.has(familyOf(id))) this.#report(`nobody made the job ${id}`);
    }
    for (const [family, known] of this.#families) {
      let worlds = known.worlds;
      for (const operation of known.operations) {
        for (const version of restarted(worlds, operation)) this.#journal.restarted(version);
        worlds = after(worlds, operation);
      }
      this.#expect("after a crash", family, settled(worlds), known.operations, jobs);
      known.worlds = [Object.fromEntries(ofFamily(jobs, family))];
      known.operations = [];
    }
    const settings = this.#settingsOperations.reduce(SETTINGS.after, this.#settings);
    this.#expectSettings(settings, snapshot);
    this.#settings = [snapshot.config];
    this.#settingsOperations = [];
    for (const fault of await this.#journal.read()) this.#report(fault);
    this.#checkLogs(snapshot);
    const left = new Set([...jobs.values()].flatMap(({ version }) => version ?? []));
    const gone = this.#versions.difference(left);
    this.#versions = left;
    return [...gone];
  }

  #expect(
    when: string,
    family: string,
    possible: Worlds,
    operations: readonly Operation[],
    jobs: ReadonlyMap<string, Cell>,
  ) {
    if (matching(possible, family, jobs).length > 0) return;
    const found = Object.fromEntries(ofFamily(jobs, family));
    const { worlds } = this.#families.get(family) ?? { worlds: NOTHING };
    const lines = operations.map(({ step, outcome }) =>
      `  ${JSON.stringify(step)} ${JSON.stringify(outcome)}`
    );
    this.#report(
      `${when} ${family} is ${JSON.stringify(found)}, which it can't be after\n  ${
        JSON.stringify(worlds)
      }\n` +
        lines.join("\n"),
    );
  }

  #expectSettings(possible: readonly Settings[], { config }: Snapshot) {
    const isSame = (settings: Settings) =>
      Object.entries(settings).every(([key, value]) => isDeepStrictEqual(config[key], value));
    if (!possible.some(isSame)) {
      this.#report(`the settings are ${JSON.stringify(config)}, not one of ${JSON.stringify(possible)}`);
    }
  }

  #cellsOf({ jobs }: Snapshot): Map<string, Cell> {
    return new Map([...jobs].map(([id, { state, command, isSubmitted }]) => {
      const version = command === "" ? null : versionOf(command);
      if (version === undefined) this.#report(`the command of ${id} is nothing that was closed: ${command}`);
      const isKept = state === "pending" && command !== "" && !isDraft(id) && !isSubmitted;
      return [id, { state, version: version ?? null, isKept }];
    }));
  }

  #checkLogs({ jobs }: Snapshot) {
    for (const [id, { state, command, attempts, log }] of jobs) {
      const version = versionOf(command) ?? null;
      let fault: string | undefined;
      if (state === "failed") fault = faultOfFailed(log, version);
      if (state === "complete" && version !== null) {
        const complete = faultOfComplete(log, version);
        const run = this.#journal.runs.get(complete.run ?? "");
        fault = complete.fault;
        if (!run?.hasEnded || run.version !== version || run.attempt !== attempts) {
          fault ??= "a job in complete/ has not run to its end";
        }
      }
      if (fault) this.#report(`${fault}: ${id} (attempts: ${attempts})\n${log}`);
    }
  }
}

/** All that can have been at some time from `from` to `to`, by the operations that had ended, or were under way. */
function between<T>(
  model: Model<T>,
  start: readonly T[],
  operations: readonly Operation[],
  from: number,
  to: number,
): readonly T[] {
  const possible: T[] = [];
  let now = start;
  for (const operation of operations) {
    if (operation.endedAt > from) {
      possible.push(...now);
      if (operation.invokedAt > to) return possible;
      possible.push(...model.during(now, operation));
    }
    now = model.after(now, operation);
  }
  possible.push(...now);
  return possible;
}
