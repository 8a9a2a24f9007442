/** What the sandbox costs: jobs that do nothing, plain and sandboxed in turns, as the worker runs them. */
import { Executor } from "../src/runner/executor.ts";
import { landlockAbi } from "../src/sys/landlock.ts";

const ROUNDS = 15;
const JOBS_PER_ROUND = 300;

/** Jobs a second: of each round the plain and the sandboxed ones, which ran right after each other. */
export interface SandboxCost {
  atOnce: number;
  plain: number[];
  sandboxed: number[];
}

/** Measures with that many jobs at once. */
export async function measureSandbox(atOnce: number): Promise<SandboxCost> {
  await using plain = new Bench();
  await using sandboxed = new Bench();
  await sandboxed.confine();
  const cost: SandboxCost = { atOnce, plain: [], sandboxed: [] };
  for (const bench of [plain, sandboxed]) await bench.round(atOnce); // to warm up
  for (let round = 0; round < ROUNDS; round++) {
    // In turns who is first, since a round may be slower for what was before it.
    const first = round % 2 === 0;
    if (first) cost.plain.push(await plain.round(atOnce));
    cost.sandboxed.push(await sandboxed.round(atOnce));
    if (!first) cost.plain.push(await plain.round(atOnce));
  }
  return cost;
}

/** One line: medians, their spread, and the median of the rounds' differences. */
export function describe({ atOnce, plain, sandboxed }: SandboxCost): string {
  const range = (values: number[]) => {
    const [low, middle, high] = [0.25, 0.5, 0.75].map((part) => quantile(values, part).toFixed(0));
    return `${middle}/s (${low} to ${high})`;
  };
  const costs = plain.map((rate, round) => (rate / (sandboxed[round] ?? NaN) - 1) * 100);
  const [low, middle, high] = [0.25, 0.5, 0.75].map((part) => quantile(costs, part).toFixed(1));
  return `${atOnce} at once: plain ${range(plain)}, sandboxed ${range(sandboxed)}: ` +
    `${middle} % more time (${low} to ${high})`;
}

function quantile(values: number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.round((sorted.length - 1) * part)] ?? NaN;
}

/** An executor whose jobs are counted. */
class Bench implements AsyncDisposable {
  #onEnded = () => {};
  readonly #executor = new Executor({
    onStarted: () => {},
    onOutput: () => {},
    onEnded: () => this.#onEnded(),
    onFailure: (error) => {
      throw error;
    },
  }, { environment: new Map() });

  async confine(): Promise<void> {
    const rules = {
      paths: [{ option: "--exec" as const, path: "/usr" }, { option: "--ro" as const, path: "/etc" }],
      ports: [{ option: "--connect" as const, port: 443 }],
    };
    const tempDirectory = Deno.env.get("TMPDIR") ?? "/tmp";
    const problem = await this.#executor.confine({ rules, abi: landlockAbi(), tempDirectory });
    if (problem !== undefined) throw new Error(problem);
  }

  /** Runs so many jobs. @returns How many a second. */
  async round(atOnce: number): Promise<number> {
    const done = Promise.withResolvers<void>();
    let started = 0;
    let ended = 0;
    const start = () => {
      if (started++ < JOBS_PER_ROUND) this.#start();
    };
    this.#onEnded = () => {
      if (++ended === JOBS_PER_ROUND) done.resolve();
      else start();
    };
    const startedAt = performance.now();
    for (let i = 0; i < atOnce; i++) start();
    await done.promise;
    return JOBS_PER_ROUND / (performance.now() - startedAt) * 1_000;
  }

  #start() {
    this.#executor.start({
      run: crypto.randomUUID(),
      jobId: "bench",
      attempt: 1,
      command: new TextEncoder().encode("true"),
      runAs: undefined,
      timeoutMs: 0,
      maxLogBytes: 1_000,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#executor[Symbol.asyncDispose]();
  }
}

if (import.meta.main) {
  for (const atOnce of [1, 20]) console.log(describe(await measureSandbox(atOnce)));
}
