/** We expect nothing more of a file system that has not answered for so long. */
export const ANSWER_MS = 5_000;

/** Something has not answered in time. */
export class LateError extends Error {
  override readonly name = "LateError";

  constructor() {
    super("it does not answer");
  }
}

/** Waits for `done`, `ms` at most. @returns Whether it came in time. */
export async function atMost(ms: number, done: Promise<unknown>): Promise<boolean> {
  const late = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => late.resolve(false), ms);
  try {
    return await Promise.race([done.then(() => true), late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

/** Waits for a promise, `ms` at most. The work behind it goes on. @throws {LateError} */
export async function withinMs<T>(ms: number, promise: Promise<T>): Promise<T> {
  if (await atMost(ms, promise)) return await promise;
  throw new LateError();
}

/**
 * Waits for what a child prints, `ms` at most; then kills it. We don't wait for its end: a server that has
 * read the child's request keeps it from ending.
 * @throws {LateError}
 */
export async function outputWithin(ms: number, command: Deno.Command): Promise<Deno.CommandOutput> {
  const child = command.spawn();
  const output = child.output();
  if (await atMost(ms, output)) return await output;
  child.kill("SIGKILL");
  child.unref();
  throw new LateError();
}
