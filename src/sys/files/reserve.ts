/**
 * Descriptors that a thread keeps for when there are no others: a look that has to succeed then takes the
 * place of one. Without them any look at a process could fail with EMFILE, and a process that we can't look
 * at is not one that is gone.
 */
import { ERRNO, ErrnoError } from "../errno.ts";
import { check, lastErrno, LIBC } from "../libc.ts";
import { resourceLimit } from "../processes/rlimit.ts";

const { symbols } = Deno.dlopen(LIBC, {
  eventfd: { parameters: ["u32", "i32"], result: "i32" },
  close: { parameters: ["i32"], result: "i32" },
});

const EFD_CLOEXEC = 0o2000000;
/** Between two tries once we keep none: somebody else was faster to take the one that we gave up. */
const WAIT_MS = 10;
const WAITS = 100;

const kept: number[] = [];
let wanted = 0;
const sleeper = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));

/** Has this thread keep so many. @throws {ErrnoError} EMFILE, ENFILE if there are not so many. */
export function keepDescriptors(count: number): void {
  wanted = count;
  requireReserve();
}

/** Opens those that are missing. @throws {ErrnoError} EMFILE, ENFILE if that is not possible now. */
export function requireReserve(): void {
  // Each is a file of its own, and not a copy, so that one less is open in the whole system too.
  while (kept.length < wanted) kept.push(check(symbols.eventfd(0, EFD_CLOEXEC), "eventfd"));
}

/** The same as far as possible. Called whenever something was closed. */
export function refillReserve(): void {
  while (kept.length < wanted) {
    const fd = symbols.eventfd(0, EFD_CLOEXEC);
    if (fd === -1) return;
    kept.push(fd);
  }
}

/** Whether no look has had to take the place of one. */
export function isReserveWhole(): boolean {
  return kept.length >= wanted;
}

/** How many numbers below the limit nothing takes for long: libc, the runtime and SQLite open files there. */
const HEADROOM = 8;

/**
 * Whether enough descriptors are left below the limit. Ask of each that stays open, as those of a run do: the
 * kernel gives the lowest number that is free.
 */
export function hasHeadroom(fd: number): boolean {
  return fd < resourceLimit("NOFILE").soft - HEADROOM;
}

/** @throws {ErrnoError} EMFILE if too few are left. */
export function requireHeadroom(fd: number, what: string): void {
  if (!hasHeadroom(fd)) throw new ErrnoError("EMFILE", what);
}

/**
 * Opens something for a short while, if need be in the place of a kept descriptor.
 * @param open Gives a descriptor, or -1 and errno.
 * @throws {ErrnoError} As `open` does, with `what` was tried.
 */
export function opened(open: () => number, what: string): number {
  for (let waits = 0;;) {
    const fd = open();
    if (fd !== -1) return fd;
    const errno = lastErrno();
    const isShort = errno === ERRNO.EMFILE || errno === ERRNO.ENFILE;
    if (!isShort || wanted === 0 || waits === WAITS) throw new ErrnoError(errno, what);
    const spent = kept.pop();
    if (spent !== undefined) symbols.close(spent);
    else {
      waits++;
      Atomics.wait(sleeper, 0, 0, WAIT_MS);
    }
  }
}

/** Gives all of them up. */
export function dropReserve(): void {
  wanted = 0;
  for (const fd of kept.splice(0)) symbols.close(fd);
}
