import { userByIdNow } from "../processes/passwd.ts";
import { effectiveGid, effectiveUid, isRoot } from "../processes/process.ts";

/** To whom a file belongs, and who may write it: fields of stat(2). */
export interface Ownership {
  uid: number;
  gid: number;
  mode: number;
}

const GROUP_WRITES = 0o020;
const OTHERS_WRITE = 0o002;
const STICKY = 0o1000;

/** Whether a file belongs to us, or to root, whom everybody has to trust. */
export function isOurs({ uid }: Ownership): boolean {
  return uid === 0 || uid === effectiveUid();
}

/** Whether everybody may write it: into a directory they may put what they like. */
export function isOpenToAll({ mode }: Ownership): boolean {
  return (mode & OTHERS_WRITE) !== 0;
}

/** Whether others than its owner may write it. The group of root, and a user's own, count as that user. */
export function othersMayWrite(file: Ownership): boolean {
  if (isOpenToAll(file)) return true;
  return (file.mode & GROUP_WRITES) !== 0 && file.gid !== 0 && (isRoot() || file.gid !== effectiveGid());
}

/** Whether users other than its owner may replace what others have put into a directory. */
export function othersMayReplace(directory: Ownership): boolean {
  return othersMayWrite(directory) && (directory.mode & STICKY) === 0;
}

/** `alice (uid 1000)`. For a last message only: the user database takes as long as its server does. */
export function nameOwner({ uid }: Ownership): string {
  try {
    const user = userByIdNow(uid);
    return user ? `${user.name} (uid ${uid})` : `uid ${uid}`;
  } catch {
    return `uid ${uid}`;
  }
}

/** `drwxrwxrwt` has the mode `1777`. */
export function printMode({ mode }: Ownership): string {
  return (mode & 0o7777).toString(8).padStart(4, "0");
}
