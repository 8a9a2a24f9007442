import { readDirents } from "../../sys/files/dirents.ts";
import { ErrnoError } from "../../sys/errno.ts";
import { close, openReadOnly } from "../../sys/files/file.ts";
import { readKernelFile } from "../../sys/files/kernel_files.ts";
import { Pidfd, type SignalName } from "../../sys/processes/pidfd.ts";
import { nextTurn } from "../../run/waiting.ts";
import { unlessRefused } from "../unless_refused.ts";

/** A process, as /proc/PID/stat shows it. */
export interface Process {
  pid: number;
  name: string;
  parentPid: number;
  groupId: number;
  sessionId: number;
  /** Clock ticks since boot. */
  startTicks: number;
  /** It has ended, and only waits for its parent to ask how. */
  isZombie: boolean;
}

/** Fields of /proc/PID/stat as proc(5) numbers them, less the two that come before the last parenthesis. */
const STAT = {
  state: 3 - 3,
  ppid: 4 - 3,
  pgrp: 5 - 3,
  session: 6 - 3,
  numThreads: 20 - 3,
  starttime: 22 - 3,
} as const;

/** @returns `undefined` for text that is no stat line: the process went away while it was read. */
export function parseStat(text: string): Process | undefined {
  const open = text.indexOf("(");
  const close = text.lastIndexOf(")"); // the name may hold some of its own
  if (open < 0 || close < open) return undefined;
  const fields = text.slice(close + 2).split(" ");
  const number = (field: keyof typeof STAT) => Number(fields[STAT[field]]);
  const state = fields[STAT.state];
  const process = {
    pid: Number(text.slice(0, open)),
    name: text.slice(open + 1, close),
    parentPid: number("ppid"),
    groupId: number("pgrp"),
    sessionId: number("session"),
    startTicks: number("starttime"),
    // A process whose first thread has ended looks like a zombie as well, while others run.
    isZombie: state === "X" || state === "Z" && number("numThreads") <= 1,
  };
  return Number.isNaN(process.startTicks) ? undefined : process;
}

/**
 * @returns `undefined` if there is no such process.
 * @throws {ErrnoError} If that can't be told, for want of descriptors or memory.
 */
export function readProcess(pid: number): Process | undefined {
  return parseStat(readProcFile(`/proc/${pid}/stat`) ?? "");
}

/** Read in one go: some 150 processes, or 3 ms. */
const SLICE_BYTES = 4_096;

/**
 * All processes that live now, zombies left out; the thread does other things between two slices of the list.
 * A process is listed unless its parent was gone before its turn came: the kernel lists by number, and a
 * child most often has the higher one.
 * @throws {ErrnoError} For want of descriptors or memory.
 */
export async function listProcesses(): Promise<Process[]> {
  const processes: Process[] = [];
  const buffer = new Uint8Array(SLICE_BYTES);
  const decoder = new TextDecoder();
  const fd = openReadOnly("/proc");
  try {
    for (let dirents; (dirents = readDirents(fd, buffer)) !== undefined; await nextTurn()) {
      for (const { name } of dirents) {
        const pid = Number(decoder.decode(name.subarray(0, -1)));
        const process = Number.isNaN(pid) ? undefined : readProcess(pid);
        if (process && !process.isZombie) processes.push(process);
      }
    }
    return processes;
  } finally {
    close(fd);
  }
}

/**
 * Whose rights a process was started with, and has.
 * @returns `undefined` if it is gone.
 * @throws {ErrnoError} As `readProcess`.
 */
export function readUids(pid: number): { real: number; effective: number } | undefined {
  // It takes no lock that the process can hold: that is true of few files of /proc.
  const [, real, effective] = /^Uid:\t(\d+)\t(\d+)/m.exec(readProcFile(`/proc/${pid}/status`) ?? "") ?? [];
  return real === undefined ? undefined : { real: Number(real), effective: Number(effective) };
}

/**
 * One letter, proc_pid_stat(5): "R" if it runs or could run.
 * @returns `undefined` if it is gone, or can't be looked at.
 */
export function readState(pid: number): string | undefined {
  return unlessRefused(() => {
    const text = readProcFile(`/proc/${pid}/stat`) ?? "";
    return text.slice(text.lastIndexOf(")")).slice(2, 3) || undefined;
  });
}

/** A process's name for itself, empty if nobody can tell. Unlike stat, this takes no hold of its memory. */
export function readName(pid: number): string {
  return unlessRefused(() => readProcFile(`/proc/${pid}/comm`)?.replace(/\n$/, "")) ?? "";
}

/**
 * Whether `process` lives, and its number does not mean another one. A zombie does not live; who can't be
 * looked at does.
 */
export function lives(process: Pick<Process, "pid" | "startTicks">): boolean {
  return unlessRefused(() => isThere(process)) ?? true;
}

function isThere({ pid, startTicks }: Pick<Process, "pid" | "startTicks">): boolean {
  const now = readProcess(pid);
  return now !== undefined && now.startTicks === startTicks && !now.isZombie;
}

/**
 * @returns `undefined` if it is gone, or where no process can be held: Linux 5.2 and older, no descriptors
 * left.
 */
export function holdProcess(pid: number): Pidfd | undefined {
  return unlessRefused(() => Pidfd.open(pid));
}

/** Signals a process as `Members.signal` does, and not another one that got its number. */
export function signalProcess(process: Pick<Process, "pid" | "startTicks">, signal: SignalName): void {
  using held = holdProcess(process.pid);
  if (unlessRefused(() => isThere(process))) kill(process.pid, held, signal);
}

/** Signals a process by what holds it, else by its number, unless it is gone or not ours to signal. */
export function kill(pid: number, held: Pidfd | undefined, signal: SignalName): void {
  try {
    if (held) held.signal(signal);
    else Deno.kill(pid, signal);
  } catch (error) {
    const isExpected = error instanceof ErrnoError || error instanceof Deno.errors.NotFound ||
      error instanceof Deno.errors.PermissionDenied;
    if (!isExpected) throw error;
  }
}

export function readBootId(): string {
  return readKernelFile("/proc/sys/kernel/random/boot_id").trim();
}

/** @throws {ErrnoError} If it is there, and can't be read for want of something. */
function readProcFile(path: string): string | undefined {
  try {
    return readKernelFile(path);
  } catch (error) {
    if (error instanceof ErrnoError && error.is("ENOENT", "ESRCH", "EACCES", "EPERM")) return undefined;
    throw error;
  }
}
