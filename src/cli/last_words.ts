/** Errors that somebody expected: their message is a line for the person who started filed. */
const EXPECTED = ["StoreError", "MountError", "StartError", "ManualError"];

/**
 * What filed says when it ends because of an error: a line for what went wrong. A bug shows where it is. What
 * went wrong while all was being closed comes after that.
 */
export function lastWords(error: unknown): string {
  return [...new Set(messagesOf(error))].join("; and then: ");
}

/** The first one first: a `SuppressedError` is what came after the one that it suppressed. */
function messagesOf(error: unknown): string[] {
  if (error instanceof SuppressedError) {
    return [...messagesOf(error.suppressed), ...messagesOf(error.error)];
  }
  if (!(error instanceof Error)) return [String(error)];
  return [EXPECTED.includes(error.name) ? error.message : error.stack ?? error.message];
}
