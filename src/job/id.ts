/** A job's key: chosen by the store, growing, below 2^33, never used for two jobs. */
export type JobNo = number & { readonly __brand?: "JobNo" };

/**
 * A file in pending/, by the number of the job that it was made as. It is another job's once it was renamed onto
 * that: who has it open goes on with it, and who has open what that job was before goes on with that.
 */
export type FileNo = number & { readonly __brand?: "FileNo" };

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
 * whole (`.x.swp`, `.x.Ab12Cd`, `x~`, `#x#`, `x.part`, `x.tmp-1310408140`).
 */
export function isDraft(id: string): boolean {
  return id.startsWith(".") || id.endsWith("~") || AUTO_SAVE.test(id) || TEMPORARY.test(id);
}

/** Whether a network file system's client, or FUSE, calls a file so that was removed while it was open. */
export function isRemovedName(id: string): boolean {
  return /^\.(fuse_hidden|nfs)[0-9a-f]{8,}$/i.test(id);
}

/** What editors call the file that they are about to replace. */
export function backupOf(id: string): string {
  return `${id}~`;
}

/** The job that a file of this name may be about to replace: npm's write-file-atomic adds a hash. */
export function replacedBy(id: string): string | undefined {
  return HASHED.exec(id)?.[1];
}

const HASHED = /^(.+)\.\d{6,10}$/su;
/** What Emacs keeps while somebody types. */
const AUTO_SAVE = /^#.+#$/su;
/**
 * Programs that fetch, copy or rewrite a file add one of these until it is whole. A number alone
 * (`x.1310408140`) is not one of them: jobs are called so too.
 */
const SUFFIXES = [
  "[.]te?mp([-.][^.]+)?", // 7-Zip; atomically(npm); mktemp(1) with x.tmp.XXXXXX
  "[.](part|filepart|partial)", // Firefox, KDE, yt-dlp; WinSCP; rclone
  "[.](crdownload|opdownload|incomplete)", // Chromium; Opera
  "[.]aria2(__temp)?",
  "[.]sw[opx]x?", // vim, for a file whose own name starts with a dot or where it must be visible
  "___jb_(tmp|old|bak)___", // JetBrains
];
const TEMPORARY = new RegExp(`.(${SUFFIXES.join("|")})$`, "isu");

const DECODER = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const CONTROL = /\p{Cc}/u; // C0, DEL and C1: a terminal would obey them
