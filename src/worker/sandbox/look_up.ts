import { ERRNO, ErrnoError } from "../../sys/errno.ts";
import { close, O_DIRECTORY, pipe, readNonblocking } from "../../sys/files/file.ts";
import { readKernelLink } from "../../sys/files/kernel_files.ts";
import { strerror } from "../../sys/libc.ts";
import { openKnownPath, openProcessPath } from "../../sys/files/open_at.ts";
import type { Reactor } from "../reactor.ts";
import { atMost } from "../../sys/waiting/deadline.ts";
import { NOTHING } from "../start/own_process.ts";
import { Helper } from "./helper.ts";

const ANSWER_BYTES = 16_384;

/** A file of any kind, opened by O_PATH; close-on-exec. */
interface OpenFile {
  fd: number;
  kind: "directory" | "file";
}

/** A lookup's answer: the file, or why it can't be opened. */
export type Found = OpenFile | ErrnoError;

/**
 * Opens what is at a path, if the kernel knows it without asking anybody.
 * @returns `undefined` if it does not.
 */
export function lookUpKnown(path: string): Found | undefined {
  const directory = openKnownPath(path, O_DIRECTORY);
  if (directory >= 0) return { fd: directory, kind: "directory" };
  if (directory !== -ERRNO.ENOTDIR) return refusal(path, -directory);
  const file = openKnownPath(path, 0);
  return file >= 0 ? { fd: file, kind: "file" } : refusal(path, -file);
}

function refusal(path: string, errno: number): ErrnoError | undefined {
  return errno === ERRNO.EAGAIN ? undefined : new ErrnoError(errno, `open ${path}`);
}

/** Opens what is at the path, says what it is, and keeps it open for a while. */
const GO = `
if [ -d "$1" ]; then cd "$1" && echo directory
elif [ -f "$1" ] && exec 3< "$1"; then echo file
else echo "other $(ls -dL -- "$1" 2>&1)"
fi
exec sleep 10`;

/**
 * Looks a path up by a helper: a server that does not answer can keep who asks it from ending, even by
 * SIGKILL. We take the open file over from the helper, without asking the server again.
 */
export class Lookup {
  /** Never rejects with an `ErrnoError`: where there can be no process, the error is the answer. */
  readonly found: Promise<Found>;
  #helper: Helper | undefined;

  constructor(path: string, reactor: Reactor) {
    this.found = this.#look(path, reactor).catch((error) => {
      if (error instanceof ErrnoError) return error;
      throw error;
    });
  }

  /** Ends the helper, as soon as the server lets it. */
  kill(): void {
    this.#helper?.kill();
  }

  async #look(path: string, reactor: Reactor): Promise<Found> {
    const { reader, writer } = pipe();
    let helper: Helper;
    try {
      helper = this.#helper = new Helper([GO, path], undefined, reactor, [NOTHING, writer]);
    } catch (error) {
      close(reader);
      throw error;
    } finally {
      close(writer);
    }
    try {
      return take(path, helper.pid, await answer(reader, reactor));
    } finally {
      close(reader);
      helper.kill();
    }
  }
}

/**
 * Where a path really leads to, without links.
 * @param ms How long it may take.
 * @throws {ErrnoError} As open(2); ETIMEDOUT if it does not answer.
 */
export async function realPathWithin(ms: number, path: string, reactor: Reactor): Promise<string> {
  let found = lookUpKnown(path);
  if (found === undefined) {
    const lookup = new Lookup(path, reactor);
    await atMost(ms, lookup.found.then((answer) => found = answer));
    if (found === undefined) lookup.kill();
  }
  found ??= new ErrnoError("ETIMEDOUT", `open ${path}`);
  if (found instanceof ErrnoError) throw found;
  try {
    return realPathOf(found);
  } finally {
    close(found.fd);
  }
}

/** The path of an open file, without links. Asks nobody. */
export function realPathOf({ fd }: OpenFile): string {
  return readKernelLink(`/proc/self/fd/${fd}`);
}

/** Takes over what a helper has opened. @throws {ErrnoError} */
function take(path: string, pid: number, answer: string): Found {
  const known = lookUpKnown(path); // The kernel may know, now that the helper has asked.
  if (known !== undefined) return known;
  if (answer === "directory\n") return { fd: openProcessPath(pid, "cwd"), kind: "directory" };
  if (answer === "file\n") return { fd: openProcessPath(pid, "fd/3"), kind: "file" };
  return new ErrnoError(errnoIn(answer), `open ${path}`);
}

function errnoIn(message: string): number {
  const reason = message.trimEnd().split(": ").at(-1);
  return Object.values(ERRNO).find((errno) => strerror(errno) === reason) ?? ERRNO.EIO;
}

/** @returns What the helper says, in one write; nothing if it has ended. */
async function answer(fd: number, reactor: Reactor): Promise<string> {
  const buffer = new Uint8Array(ANSWER_BYTES);
  for (;;) {
    const sizeBytes = readNonblocking(fd, buffer);
    if (sizeBytes !== undefined) return new TextDecoder().decode(buffer.subarray(0, sizeBytes));
    const maybeReady = Promise.withResolvers<void>();
    using _watch = reactor.watch(fd, maybeReady.resolve);
    await maybeReady.promise;
  }
}
