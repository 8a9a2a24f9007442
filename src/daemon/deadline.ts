/** Something has not answered in time. */
export class LateError extends Error {
  override readonly name = "LateError";
}

/**
 * Waits for a promise no longer than that; what it stands for goes on.
 * @throws {LateError}
 */
export async function withinMs<T>(limitMs: number, promise: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new LateError("it does not answer")), limitMs);
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
