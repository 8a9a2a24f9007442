/** What the contract's tests share: refusals, jobs that must not start, and gates that hold a writer up. */
import assert from "node:assert/strict";
import { lstat } from "node:fs/promises";
import { type Filed, makeFifo, ok, type Place, startFiled, within } from "../harness.ts";
import { took } from "../proc.ts";

/** Numbers of errno(3), the same on x86-64 and arm64. */
const ERRNO = {
  EPERM: 1,
  ENOENT: 2,
  EACCES: 13,
  EEXIST: 17,
  EINVAL: 22,
  EFBIG: 27,
  EDEADLK: 35,
  ENAMETOOLONG: 36,
} as const;

/** Asserts that a call fails with that errno. */
export async function refuses(
  errno: keyof typeof ERRNO,
  call: Promise<unknown>,
  what?: string,
): Promise<void> {
  await assert.rejects(call, new RegExp(`\\(os error ${ERRNO[errno]}\\)`), what ?? errno);
}

/** A daemon that starts nothing until `resume`. */
export function startPaused(): ReturnType<typeof startFiled> {
  return startFiled({ config: { max_job_count: 0 } });
}

export async function resume(filed: Filed): Promise<void> {
  await filed.configure({ max_job_count: 20 });
}

/** What a stop without grace may take at the most: docs/promises.md. */
export const STOP_MS = 2_000;

/** Stops a daemon, and asserts that it took no longer, less what the machine had no time for. */
export async function stopInTime(filed: Filed): Promise<Deno.CommandStatus> {
  const stopMs = await took(() => filed.stop());
  assert.ok(stopMs < STOP_MS, `${stopMs} ms`);
  return await filed.status;
}

let probes = 0;

/** Waits until a job submitted now has run, so that all that may start has started. */
export async function settled(filed: Filed): Promise<void> {
  await filed.finish(`probe-${++probes}`, "true");
}

/** The ids of the jobs that have started, in that order, without the probes. */
export function started(filed: Filed): string[] {
  const starts = filed.log.filter(({ message }) => message === "attempt started");
  return starts.map(({ properties }) => String(properties.job)).filter((id) => !id.startsWith("probe-"));
}

/** Asserts that exactly these jobs are there to run and have run, in that order. */
export async function assertStarted(filed: Filed, ...ids: string[]): Promise<void> {
  await settled(filed);
  assert.deepEqual(started(filed), ids);
}

/** Asserts that a job waits in pending/ although a later one has run. */
export async function assertHeld(filed: Filed, id: string): Promise<void> {
  await settled(filed);
  assert.equal(started(filed).includes(id), false, `${id} has started`);
  assert.equal((await filed.list("pending")).includes(id), true, `${id} is not in pending/`);
}

/** A file's attributes; `stat` follows what the mount says, names and all. */
export function stat(filed: Filed, path: string): ReturnType<typeof lstat> {
  return lstat(`${filed.mount}/${path}`);
}

export function read(filed: Filed, path: string): Promise<string> {
  return Deno.readTextFile(`${filed.mount}/${path}`);
}

/** Opens a file of the mount. */
export function open(filed: Filed, path: string, options: Deno.OpenOptions): Promise<Deno.FsFile> {
  return Deno.open(`${filed.mount}/${path}`, options);
}

/** Gives a pending job another id. */
export function mv(filed: Filed, from: string, to: string): Promise<void> {
  return Deno.rename(`${filed.mount}/pending/${from}`, `${filed.mount}/pending/${to}`);
}

/** Writes without a close: Deno's asynchronous write closes a copy of the descriptor, which the daemon hears as FLUSH. */
export function write(file: Deno.FsFile, text: string) {
  const bytes = new TextEncoder().encode(text);
  assert.equal(file.writeSync(bytes), bytes.length);
}

/** Epoch ms. */
export async function mtime(filed: Filed, path: string): Promise<number> {
  return Number((await stat(filed, path)).mtimeMs);
}

/** Runs what changes something. @returns When that was, at the earliest and at the latest, epoch ms. */
export async function during(act: () => unknown): Promise<[number, number]> {
  const from = Date.now();
  await act();
  return [from, Date.now() + 1]; // The daemon's clock is this one; a time with fractions may be past the whole ms.
}

export function assertWithin(time: number, [from, to]: [number, number], what: string) {
  assert.ok(time >= from && time <= to, `${what}: ${time} is not within ${from} and ${to}`);
}

/** Where a script waits: `: > $gate.reached; read x < $gate.path` goes on after `open`, or when the test is over. */
export class Gate implements Disposable {
  private constructor(
    readonly path: string,
    readonly reached: string,
    readonly waiting: string,
    private readonly writer: Deno.FsFile,
  ) {}

  static async make(place: Place, name = "gate"): Promise<Gate> {
    const path = await makeFifo(place, name);
    const reached = await makeFifo(place, `${name}-reached`);
    const writer = await Deno.open(path, { read: true, write: true }); // Both: opening waits for no reader.
    return new Gate(path, reached, `: > ${reached}; read -r _ < ${path} || :`, writer);
  }

  /** Resolves once the script waits. */
  async closedOn(): Promise<void> {
    await within("a script at its gate", () => Deno.readTextFile(this.reached));
  }

  open() {
    write(this.writer, "\n");
  }

  [Symbol.dispose]() {
    this.writer.close();
  }
}

/**
 * Fills a directory of the mount with that many entries and runs none.
 * @param width Of the names: 200 such names of 120 bytes fill a READDIR of 32 KiB, or 1,000 short ones.
 * @returns The names, sorted.
 */
export async function fill(
  filed: Filed,
  directory: "pending" | "failed",
  count: number,
  width = 120,
): Promise<string[]> {
  await ok(filed.sh(`cd "$M/pending" && seq -f %0${width}.0f ${count} | xargs -P 8 -n 50 touch`));
  if (directory === "failed") await ok(filed.sh('cd "$M/pending" && ls | xargs -P 8 -n 50 mv -t ../failed'));
  return Array.from({ length: count }, (_, index) => String(index + 1).padStart(width, "0"));
}
