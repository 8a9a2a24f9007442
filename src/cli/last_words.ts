/** Errors that somebody expected: their message is a line for the person who started filed. */
const EXPECTED = ["StoreError", "MountError", "StartError", "ManualError"];

/** The line that filed ends with after an error; a bug shows where it is. Errors of closing come last. */
export function lastWords(error: unknown): string {
  return [...new Set(messagesOf(error))].join("; and then: ");
}

/** In the order in which they came: a `SuppressedError` came after the one that it suppressed. */
function messagesOf(error: unknown): string[] {
  if (error instanceof SuppressedError) {
    return [...messagesOf(error.suppressed), ...messagesOf(error.error)];
  }
  if (!(error instanceof Error)) return [String(error)];
  return [EXPECTED.includes(error.name) ? error.message : error.stack ?? error.message];
}
