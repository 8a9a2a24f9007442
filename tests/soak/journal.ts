/** The marks that runs leave outside of the mount, and what can't be right about them. */
interface Run {
  id: string;
  version: string;
  attempt: number;
  hasEnded: boolean;
}

export class Journal {
  readonly #path: string;
  readonly runs = new Map<string, Run>();
  /** How many runs began, by version and attempt. */
  readonly #starts = new Map<string, number>();
  /** How often a version may have been told to begin anew. */
  readonly #restarts = new Map<string, number>();
  /** Versions that are gone for good. */
  readonly #removed = new Set<string>();
  #offset = 0;
  #stops = 0;

  constructor(path: string) {
    this.#path = path;
  }

  /** A move that starts the attempts of a version anew was made, or may have been. */
  restarted(version: string) {
    this.#restarts.set(version, (this.#restarts.get(version) ?? 0) + 1);
  }

  /** The daemon was stopped in good order: an attempt that ran does not count. */
  stopped() {
    this.#stops++;
  }

  /** No job has that version any more, and none that had it runs: what starts from now on must not. */
  removed(version: string) {
    this.#removed.add(version);
  }

  /** Reads what was added. @returns What is wrong with it. */
  async read(): Promise<string[]> {
    const bytes = (await Deno.readFile(this.#path)).subarray(this.#offset);
    const whole = bytes.subarray(0, bytes.lastIndexOf(10) + 1);
    this.#offset += whole.length;
    const lines = new TextDecoder().decode(whole).split("\n").slice(0, -1);
    return lines.flatMap((line) => this.#take(line).map((fault) => `${fault}: ${line}`));
  }

  #take(line: string): string[] {
    const [word, id, run, attempt, version] = line.split(" ") as [string, string, string, string, string];
    const known = this.runs.get(run);
    switch (word) {
      case "start": {
        const faults: string[] = [];
        if (known) faults.push("a run started twice");
        if (this.#removed.has(version)) faults.push("a job that was removed ran");
        this.runs.set(run, { id, version, attempt: Number(attempt), hasEnded: false });
        const key = `${version} ${attempt}`;
        const starts = (this.#starts.get(key) ?? 0) + 1;
        this.#starts.set(key, starts);
        if (starts > 1 + (this.#restarts.get(version) ?? 0) + this.#stops) {
          faults.push("an attempt was made twice");
        }
        return faults;
      }
      case "end":
        if (!known || known.hasEnded || known.version !== version) return ["a run ended that did not run"];
        known.hasEnded = true;
        return [];
      case "overlap":
        return ["a run started while something of an earlier one of that id lived"];
      default:
        return ["no mark"];
    }
  }
}
