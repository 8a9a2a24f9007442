/** What the sandbox costs: jobs that do nothing, plain and sandboxed in turns, as the worker runs them. */
import { NO_LIMITS } from "../src/queue/limits.ts";
import { Executor } from "../src/runner/executor.ts";
import { landlockAbi } from "../src/sys/landlock.ts";

const ROUNDS = 11;
const JOBS_PER_ROUND = 200;

const { symbols } = Deno.dlopen("libc.so.6", {
  getrusage: { parameters: ["i32", "buffer"], result: "i32" },
});
const RUSAGE = { self: 0, children: -1, words: 18 } as const; // sys/resource.h; the first four are of time

/** What one round of jobs took. */
export interface Round {
  jobsPerSec: number;
  /** Of this process and its jobs, for each job: hardly more where others use the processors too. */
  cpuUs: number;
}

/** The rounds of plain and of sandboxed jobs, which ran in turns. */
export interface SandboxCost {
  atOnce: number;
  plain: Round[];
  sandboxed: Round[];
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

/** Two lines: medians, their spread (the quartiles), and how the medians differ. */
export function describe({ atOnce, plain, sandboxed }: SandboxCost): string {
  const line = (of: (round: Round) => number, unit: string) => {
    const [before, after] = [plain.map(of), sandboxed.map(of)];
    const change = (quantile(after, 0.5) / quantile(before, 0.5) - 1) * 100;
    return `plain ${range(before)}, sandboxed ${range(after)} ${unit}: ${change.toFixed(1)} %`;
  };
  return `${atOnce} at once: ${line(({ jobsPerSec }) => jobsPerSec, "jobs/s")}\n` +
    `  ${line(({ cpuUs }) => cpuUs, "us of processor time a job")}`;
}

function range(values: number[]): string {
  const [low, middle, high] = [0.25, 0.5, 0.75].map((part) => quantile(values, part).toFixed(0));
  return `${middle} (${low} to ${high})`;
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

  async round(atOnce: number): Promise<Round> {
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
    const cpuBefore = cpuTimeUs();
    for (let i = 0; i < atOnce; i++) start();
    await done.promise;
    return {
      jobsPerSec: JOBS_PER_ROUND / (performance.now() - startedAt) * 1_000,
      cpuUs: (cpuTimeUs() - cpuBefore) / JOBS_PER_ROUND,
    };
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
      limits: NO_LIMITS,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#executor[Symbol.asyncDispose]();
  }
}

/** Of this process with all its threads, and of its children that have ended. */
function cpuTimeUs(): number {
  let us = 0;
  for (const who of [RUSAGE.self, RUSAGE.children]) {
    const usage = new BigInt64Array(RUSAGE.words);
    symbols.getrusage(who, new Uint8Array(usage.buffer));
    const [userSec, userUs, systemSec, systemUs] = [...usage.subarray(0, 4)].map(Number);
    us += (userSec! + systemSec!) * 1_000_000 + userUs! + systemUs!;
  }
  return us;
}

if (import.meta.main) {
  for (const atOnce of [1, 20]) console.log(describe(await measureSandbox(atOnce)));
}
