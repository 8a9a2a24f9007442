/** A job's name: 1 to 255 bytes of UTF-8 without control characters. Unique in the queue, whatever the job's state. */
export type JobId = string & { readonly __brand: "JobId" };

/** Linux allows no longer file name either: NAME_MAX, linux/limits.h. */
export const MAX_ID_BYTES = 255;

export type IdFault = "too-long" | "malformed";

/** @returns The id that these bytes of a file name are, or why they can't be one. */
export function parseJobId(name: Uint8Array): JobId | { fault: IdFault } {
  if (name.length > MAX_ID_BYTES) return { fault: "too-long" };
  try {
    const id = DECODER.decode(name);
    return id === "" || CONTROL.test(id) ? { fault: "malformed" } : id as JobId;
  } catch {
    return { fault: "malformed" };
  }
}

/**
 * Whether a file of this name is kept and never run: what editors and copying programs call a file until it is
 * whole (`.x.swp`, `.x.Ab12Cd`, `x~`).
 */
export function isDraft(id: string): boolean {
  return id.startsWith(".") || id.endsWith("~");
}

/** What editors call the file that they are about to replace. */
export function backupOf(id: string): string {
  return `${id}~`;
}

const DECODER = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const CONTROL = /\p{Cc}/u; // C0, DEL and C1: a terminal would obey them
