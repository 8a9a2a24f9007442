const ROOT = 0;

/** Who may have written a command, or what was changed of it. */
export interface Writers {
  uids: ReadonlySet<number>;
  of: "all" | "part";
}

/**
 * Who wrote to a job's command besides its owner and root, after one more write; `null`: nobody. By the owner as it is now: what
 * somebody wrote who was the owner then has been given away as it was.
 */
export function foreignWriter(
  { uid, foreignWriter }: { uid: number; foreignWriter: number | null },
  { uids, of }: Writers,
): number | null {
  const foreign = [...uids].find((writer) => writer !== uid && writer !== ROOT);
  return foreign ?? (of === "all" ? null : foreignWriter);
}
