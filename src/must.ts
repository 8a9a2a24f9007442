/**
 * What the code is built on: a value that is there, for a reason that can be said.
 * @param why A sentence that is true unless there is a bug: `a job that is claimed has a row`.
 * @throws {Error} Where it is not so, with that sentence.
 */
export function must<T>(value: T | null | undefined, why: string): T {
  if (value === null || value === undefined) throw new Error(`Not so: ${why}`);
  return value;
}
