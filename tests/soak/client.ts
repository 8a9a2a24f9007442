/**
 * A client process of the soak: `client.ts MOUNT NAME SEED`. It acts on the mount from a line `go` on its standard input
 * until a line `pause`, or until the daemon is gone, and says on standard output what it did.
 */
import { TextLineStream } from "../text_lines.ts";
import type { State } from "../../src/job/state.ts";
import { outcomeOf, rename, unlink, writeFile } from "./calls.ts";
import { commandOf, newVersion, piecesOf } from "./commands.ts";
import { type ClientLine, idsOf, type JobPath, type Outcome, type Step, type Writing } from "./operations.ts";
import { Random } from "./random.ts";

const FAMILIES = 8;
const STATES = ["pending", "active", "complete", "failed"] as const;
const THINK_MS = 12;

class Client {
  readonly #mount: string;
  readonly #name: string;
  readonly #random: Random;
  #versions = 0;
  isPaused = true;

  constructor(mount: string, name: string, seed: number) {
    this.#mount = mount;
    this.#name = name;
    this.#random = new Random(seed);
  }

  /** Acts until it is paused or the daemon is gone. */
  async act(): Promise<void> {
    while (!this.isPaused && this.#isServed()) {
      if (this.#name === "c0" && this.#random.chance(0.05)) this.#configure();
      else this.#actOn(`${this.#name}-${this.#random.below(FAMILIES)}`);
      await new Promise((resolve) => setTimeout(resolve, this.#random.below(THINK_MS)));
    }
  }

  #actOn(family: string) {
    const [own, other, draft] = idsOf(family);
    const id = this.#random.pick([own, own, own, other, draft, draft]);
    const isBlind = this.#random.chance(0.05);
    const state = isBlind ? this.#random.pick([...STATES]) : this.#find(family, id);
    const step = this.#next(id, id === draft ? [own, other] : [id === own ? other : own], state);
    if (!step) return;
    this.#perform(family, step);
    const next = this.#following(step, own, other);
    if (next) this.#perform(family, next);
  }

  /** What belongs to a step, or is most likely to go wrong after it. */
  #following(step: Step, own: string, other: string): Step | undefined {
    switch (step.kind) {
      case "write": { // A job with a temporary name is renamed soon.
        const to = { state: "pending", id: step.id === own ? other : own } as const;
        return step.how === "temporary"
          ? { kind: "rename", from: { state: "pending", id: step.id }, to }
          : undefined;
      }
      case "remove": // Another job of that id, while the old one is still being ended.
        return step.at.state === "active" ? this.#write(step.at.id, "whole") : undefined;
      case "rename": // Another run of that job, likewise.
        return step.from.state === "active" && step.to.state === "failed"
          ? { kind: "rename", from: step.to, to: { ...step.to, state: "pending" } }
          : undefined;
      default:
        return undefined;
    }
  }

  /** Where the file is, as far as one can see that while it moves. */
  #find(family: string, id: string): State | undefined {
    const state = STATES.find((state) => this.#isThere(`${state}/${id}`));
    if (state) this.#report(family, { kind: "find", at: { state, id } }, Date.now(), { kind: "done" });
    return state;
  }

  #next(id: string, others: readonly string[], state: State | undefined): Step | undefined {
    const at = (state: State, name = id): JobPath => ({ state, id: name });
    const other = others[this.#random.below(others.length)] as string;
    const move = (from: State, to: State, name = id): Step => ({
      kind: "rename",
      from: at(from),
      to: at(to, name),
    });
    const write = (how: Writing) => this.#write(id, how);
    const isDraft = id.startsWith(".");
    const luck = this.#random.fraction();
    switch (state) {
      case undefined:
        return write(
          this.#random.pick(["shell", "whole", "whole", "pieces", isDraft ? "whole" : "temporary"]),
        );
      case "pending":
        if (isDraft) {
          return luck < 0.7
            ? move(state, state, other)
            : luck < 0.8
            ? this.#remove(at(state))
            : write("whole");
        }
        if (luck < 0.3) return write(this.#random.pick(["shell", "whole", "pieces"]));
        if (luck < 0.45) return this.#remove(at(state));
        if (luck < 0.6) return move(state, state, other);
        return luck < 0.7 ? move(state, "failed") : undefined;
      case "active":
        if (luck < 0.25) return this.#remove(at(state));
        if (luck < 0.5) return move(state, "pending");
        if (luck < 0.65) return move(state, "failed");
        return luck < 0.7 ? move(state, state, other) : undefined;
      default:
        if (luck < 0.4) return this.#remove(at(state));
        if (luck < 0.7) return move(state, "pending");
        return luck < 0.85 ? move(state, state, other) : undefined;
    }
  }

  #remove(at: JobPath): Step {
    return { kind: "remove", at };
  }

  #write(id: string, how: Writing): Step {
    const version = newVersion(this.#random, `${this.#name}.${++this.#versions}`);
    return { kind: "write", id, version, how };
  }

  #configure() {
    const settings: Record<string, number> = {
      max_attempts: this.#random.between(1, 3),
      timeout_sec: this.#random.between(1, 2),
      max_job_count: this.#random.between(2, 20),
      backoff_base: this.#random.pick([0, 0.01, 0.05]),
    };
    const keys = Object.keys(settings).filter(() => this.#random.chance(0.5));
    const some = Object.fromEntries(keys.map((key) => [key, settings[key] as number]));
    if (keys.length > 0) this.#perform("", { kind: "configure", settings: some });
  }

  #perform(family: string, step: Step) {
    const invokedAt = now();
    let outcome: Outcome = { kind: "done" };
    try {
      outcome = this.#call(step);
    } catch (error) {
      outcome = outcomeOf(error);
    }
    this.#report(family, step, invokedAt, outcome);
  }

  #call(step: Step): Outcome {
    const path = ({ state, id }: JobPath) => `${this.#mount}/${state}/${id}`;
    switch (step.kind) {
      case "write": {
        const file = path({ state: "pending", id: step.id });
        if (step.how === "shell") return this.#callShell(file, commandOf(step.version));
        const pieces = step.how === "pieces" ? piecesOf(step.version) : [commandOf(step.version)];
        writeFile(file, step.how === "temporary" ? "fresh" : "rewrite", pieces);
        break;
      }
      case "rename":
        rename(path(step.from), path(step.to));
        break;
      case "remove":
        unlink(path(step.at));
        break;
      case "configure":
        writeFile(`${this.#mount}/config.json`, "rewrite", [JSON.stringify(step.settings)]);
        break;
      case "find":
        break;
      default:
        step satisfies never;
    }
    return { kind: "done" };
  }

  /** A shell says nothing of its close; that the daemon still answers tells that it answered the close as well. */
  #callShell(path: string, command: string): Outcome {
    const { code, stderr } = new Deno.Command("sh", {
      args: ["-c", 'printf %s "$1" > "$2"', "sh", command, path],
      env: { LC_ALL: "C" },
      stdin: "null",
      stdout: "null",
    }).outputSync();
    if (code === 0) return { kind: this.#isServed() ? "done" : "unknown" };
    const said = new TextDecoder().decode(stderr);
    if (/File exists/.test(said)) return { kind: "refused", errno: "EEXIST" };
    return this.#isServed() ? { kind: "refused", errno: said } : { kind: "unknown" };
  }

  #isServed(): boolean {
    return this.#isThere("config.json"); // Its attributes the kernel asks for each time.
  }

  #isThere(name: string): boolean {
    try {
      Deno.lstatSync(`${this.#mount}/${name}`);
      return true;
    } catch {
      return false;
    }
  }

  #report(family: string, step: Step, invokedAt: number, outcome: Outcome) {
    say({ kind: "operation", operation: { family, step, invokedAt, endedAt: now(), outcome } });
  }
}

function now(): number {
  return performance.timeOrigin + performance.now();
}

function say(line: ClientLine) {
  const bytes = new TextEncoder().encode(`${JSON.stringify(line)}\n`);
  for (let written = 0; written < bytes.length;) written += Deno.stdout.writeSync(bytes.subarray(written));
}

const [mount, name, seed] = Deno.args as [string, string, string];
const client = new Client(mount, name, Number(seed));
let acting = Promise.resolve();
const orders = Deno.stdin.readable.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream());
for await (const order of orders) {
  client.isPaused = order === "pause";
  if (order === "go") acting = acting.then(() => client.act()).then(() => say({ kind: "idle" }));
}
client.isPaused = true; // Whoever gave the orders is gone.
