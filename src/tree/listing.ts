import type { DirectoryEntry, DirectorySink, Entry, EntrySink } from "../fuse/mod.ts";
import type { Job, Queue } from "../queue/queue.ts";
import type { State } from "../job/state.ts";
import { inodeOf } from "./node_ids.ts";
import { FIXED_NODES } from "./nodes.ts";
import type { RootFile } from "./root_file.ts";

/** Jobs asked of the queue at once. A READDIR of 32 KiB holds some 800 short names. */
const PAGE_JOBS = 512;
/** Cookies of `.` and `..`; a job's is its number and `FIRST_COOKIE`, so that removing one moves no other. */
const FIRST_COOKIE = 2;

const ENCODER = new TextEncoder();
const ROOT_INO = 1n;

/**
 * Cookies of the files that somebody made in the mount's own directory follow those of what is always there.
 */
const FIRST_FILE_COOKIE = FIRST_COOKIE + FIXED_NODES.length;

/**
 * Adds what follows `cookie` in the mount's own directory.
 * @param files Those that somebody made there, in the order of their cookies, which begin with 1.
 */
export function listRoot(files: readonly RootFile[], cookie: number, sink: DirectorySink) {
  if (!addDots(ROOT_INO, cookie, sink)) return;
  for (const { nodeid, name, node } of FIXED_NODES) {
    const own = Number(nodeid) + FIRST_COOKIE;
    if (node.kind === "root" || own <= cookie) continue;
    const type = node.kind === "directory" ? "directory" : "file";
    if (!sink.add({ ino: nodeid, cookie: own, type, name: ENCODER.encode(name) })) return;
  }
  for (const { nodeid, cookie: number, name } of files) {
    const own = number + FIRST_FILE_COOKIE;
    if (name === undefined || own <= cookie) continue;
    if (!sink.add({ ino: nodeid, cookie: own, type: "file", name: ENCODER.encode(name) })) return;
  }
}

/** Adds what follows `cookie` in a state's directory. */
export async function listJobs(queue: Queue, state: State, ino: bigint, cookie: number, sink: DirectorySink) {
  if (!addDots(ino, cookie, sink)) return;
  let after = Math.max(0, cookie - FIRST_COOKIE);
  for (;;) {
    const page = await queue.list(state, after, PAGE_JOBS);
    for (const { number, id } of page) {
      const name = ENCODER.encode(id);
      if (!sink.add({ ino: inodeOf(number), cookie: number + FIRST_COOKIE, type: "file", name })) return;
      after = number;
    }
    if (page.length < PAGE_JOBS) return;
  }
}

/** The same with the entry of each job. */
export async function listJobsWithEntries(
  queue: Queue,
  state: State,
  ino: bigint,
  cookie: number,
  sink: EntrySink,
  entryOf: (job: Job) => Entry,
) {
  if (!addDots(ino, cookie, { add: (entry: DirectoryEntry) => sink.add(entry, undefined) })) return;
  let after = Math.max(0, cookie - FIRST_COOKIE);
  for (let room = sink.capacity; room > 0; room = sink.capacity) {
    const page = await queue.listJobs(state, after, room);
    for (const job of page) {
      const { number, id } = job;
      const name = ENCODER.encode(id);
      const entry = { ino: inodeOf(number), cookie: number + FIRST_COOKIE, type: "file", name } as const;
      if (!sink.add(entry, entryOf(job))) return;
      after = number;
    }
    if (page.length < room) return;
  }
}

/** @returns Whether there is room for more. */
function addDots(ino: bigint, cookie: number, sink: DirectorySink): boolean {
  return (cookie >= 1 || sink.add({ ino, cookie: 1, type: "directory", name: ENCODER.encode(".") })) &&
    (cookie >= 2 || sink.add({ ino: ROOT_INO, cookie: 2, type: "directory", name: ENCODER.encode("..") }));
}
