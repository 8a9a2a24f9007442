import { dirname, join, resolve } from "node:path";
import { must } from "../must.ts";
import {
  isOpenToAll,
  isOurs,
  nameOwner,
  othersMayReplace,
  type Ownership,
  printMode,
} from "../sys/files/ownership.ts";
import { isRoot } from "../sys/processes/process.ts";

/** Another user decides where a path leads. The message says by which part of it, who, and what to do. */
export class DistrustError extends Error {
  override readonly name = "DistrustError";
}

/** Where a path leads. */
interface TrustedPath {
  /** Absolute and without symbolic links. */
  real: string;
  /** The directories that are not there, outermost first, up to `real` itself. Empty if all are there. */
  missing: string[];
}

/** How many symbolic links of a path we follow, as the kernel does. */
const MAX_LINKS = 40;

/**
 * Follows a path as the kernel would, unless another user decides where it leads: by a symbolic link, or by
 * something put into a directory that everybody may write, as /tmp. sshd(8) is as strict with its files
 * (StrictModes).
 * @param purpose "directory": others may own it, and its files, but must not have chosen it for us. "file":
 * nobody else may be able to put another one there. Who opens the file looks at the file itself.
 * @param isOpaque Whether we must not look at a path, as it may never answer: it is where the path leads.
 * @throws {DistrustError}
 * @throws What Deno does for a part that we can't look at.
 */
export async function followTrusted(
  path: string,
  purpose: "directory" | "file",
  isOpaque: (path: string) => boolean,
): Promise<TrustedPath> {
  const names = namesOf(resolve(path));
  const root = ownershipOf(await Deno.lstat("/"));
  let [real, directory] = ["/", root];
  for (let links = 0; names.length > 0;) {
    const name = must(names.shift(), "the loop ends with the last name");
    if (name === "..") {
      real = dirname(real);
      directory = ownershipOf(await Deno.lstat(real));
      continue;
    }
    const here = join(real, name);
    if (purpose === "file") requireKept({ real, directory, root });
    if (names.length === 0 && isOpaque(here)) return { real: here, missing: [] };
    const found = await lookAt(here);
    if (!found) return missingFrom(real, [name, ...names]);
    const { isSymlink, ...owned } = found;
    const isFile = purpose === "file" && names.length === 0;
    if (isSymlink || !isFile) requireOurs(owned, isSymlink, here, { real, directory, root });
    if (!isSymlink) {
      [real, directory] = [here, owned];
      continue;
    }
    if (++links > MAX_LINKS) throw new Error(`${path}: too many levels of symbolic links`);
    const target = await Deno.readLink(here);
    if (target.startsWith("/")) [real, directory] = ["/", root];
    names.unshift(...namesOf(target));
  }
  return { real, missing: [] };
}

interface Around {
  /** The path of the directory. */
  real: string;
  directory: Ownership;
  /** That of `/`. Its owner owns the system, also where a user namespace does not know that user. */
  root: Ownership;
}

function requireOurs(found: Ownership, isSymlink: boolean, here: string, { real, directory, root }: Around) {
  const isOpen = isOpenToAll(directory);
  if (isOurs(found) || found.uid === root.uid && !isOpen) return;
  const owner = nameOwner(found);
  if (isSymlink) {
    throw new DistrustError(
      `${here} is a symbolic link that ${owner} made; remove it, or name the place to which it leads`,
    );
  }
  if (!isOpen) return;
  throw new DistrustError(
    `${here} belongs to ${owner}, and everybody may put things into ${real}; remove it, or name another place`,
  );
}

/** @throws {DistrustError} If others than root and we may replace what is in a directory. */
function requireKept({ real, directory, root }: Around) {
  if (directory === root) return;
  if (isRoot() && !isOurs(directory) && directory.uid !== root.uid) {
    throw new DistrustError(
      `the directory ${real} belongs to ${nameOwner(directory)}, who could replace what root finds there; ` +
        "name a file in one of root's with --state, such as /var/lib/filed.db",
    );
  }
  if (othersMayReplace(directory)) {
    throw new DistrustError(
      `others may replace what is in the directory ${real} (its mode is ${printMode(directory)}); ` +
        `chmod go-w ${real}, or name a file elsewhere with --state`,
    );
  }
}

function missingFrom(real: string, names: string[]): TrustedPath {
  const missing = names.map((_, index) => join(real, ...names.slice(0, index + 1)));
  return { real: must(missing.at(-1), "one name at least is missing"), missing };
}

async function lookAt(path: string): Promise<Ownership & { isSymlink: boolean } | undefined> {
  try {
    const found = await Deno.lstat(path);
    return { ...ownershipOf(found), isSymlink: found.isSymlink };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** On Linux, `FileInfo` has all three. */
function ownershipOf({ uid, gid, mode }: Deno.FileInfo): Ownership {
  return { uid: uid ?? 0, gid: gid ?? 0, mode: mode ?? 0 };
}

function namesOf(path: string): string[] {
  return path.split("/").filter((name) => name !== "" && name !== ".");
}
