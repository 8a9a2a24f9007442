/** The control groups of daemons, which one that was killed leaves to the next with the same state file. */
import { DatabaseSync } from "node:sqlite";
import { makeKernelDirectory } from "../src/sys/files/kernel_files.ts";
import {
  type CgroupRoot,
  findCgroups,
  killCgroup,
  listGroups,
  removeCgroup,
} from "../src/worker/cgroup/cgroup.ts";

/** How long what was killed may take to be gone. */
const KILLED_MS = 10_000;
/** How deep below a place a state file may be. */
const DEPTH = 2;

/** Where groups are, and that of this process; `undefined`: there are none. */
export function ownRoot(): CgroupRoot | undefined {
  const read = (name: string) => Deno.readTextFileSync(`/proc/self/${name}`);
  return findCgroups(read("mountinfo"), read("cgroup"));
}

export function ownGroup(): string | undefined {
  return ownRoot()?.own;
}

/** Whether a daemon of this process's user can have groups. */
function canMakeGroups(): boolean {
  const own = ownGroup();
  if (own === undefined) return false;
  const path = `${own}/filed-test-${crypto.randomUUID()}`;
  try {
    makeKernelDirectory(path);
  } catch {
    return false;
  }
  return removeCgroup(path);
}

/** A test of what only a group can tell; it is ignored where none can be made. */
export function groupTest(name: string, fn: () => Promise<void> | void) {
  Deno.test({ name, ignore: !canMakeGroups(), fn });
}

/** Those of a state file's daemons. @returns None where there can be none, or where the file does not tell. */
export function groupsOf(stateFile: string): string[] {
  const identity = identityIn(stateFile);
  return identity === undefined ? [] : groupsNamed(identity);
}

/** Removes those of all state files in a folder, and ends what is in them. */
export async function endGroupsIn(folder: string): Promise<void> {
  for (const path of statesIn(folder, DEPTH)) for (const group of groupsOf(path)) await endGroup(group);
}

/** The same for one state file. */
export async function endGroupsNamed(identity: string): Promise<void> {
  for (const group of groupsNamed(identity)) await endGroup(group);
}

function groupsNamed(identity: string): string[] {
  const own = ownGroup();
  return own === undefined ? [] : listGroups(own).filter((path) => path.includes(`/filed-${identity}-`));
}

async function endGroup(path: string): Promise<void> {
  if (removeCgroup(path)) return;
  killCgroup(path);
  for (const late = performance.now() + KILLED_MS; !removeCgroup(path);) {
    if (performance.now() >= late) throw new Error(`There are processes left in ${path}`);
    await new Promise((resolve) => setTimeout(resolve, 1)); // No event of it but by inotify.
  }
}

function statesIn(folder: string, depth: number): string[] {
  return [...Deno.readDirSync(folder)].flatMap(({ name, isFile, isDirectory }) => {
    const path = `${folder}/${name}`;
    if (isDirectory && depth > 1) return statesIn(path, depth - 1);
    return isFile && name.endsWith(".db") ? [path] : [];
  });
}

function identityIn(stateFile: string): string | undefined {
  try {
    using database = new DatabaseSync(stateFile, { readOnly: true });
    const row = database.prepare("SELECT value FROM settings WHERE name = 'identity'").get();
    return row?.value as string | undefined;
  } catch {
    return undefined; // There is none, or a test has damaged it.
  }
}
