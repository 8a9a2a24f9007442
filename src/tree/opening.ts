import { O_ACCMODE, O_RDONLY, O_RDWR, O_TRUNC } from "../fuse/mod.ts";
import type { Opening } from "./node.ts";

/** What an open(2) with these flags is for. */
export function openingOf(flags: number): Opening {
  const isReading = (flags & O_ACCMODE) === O_RDONLY && !(flags & O_TRUNC);
  return {
    access: isReading ? "read" : "write",
    contents: flags & O_TRUNC ? "truncate" : "keep",
    mayMap: (flags & O_ACCMODE) === O_RDWR,
  };
}
