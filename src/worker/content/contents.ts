import { must } from "../../must.ts";
import type { StartMessage } from "../../run/messages.ts";
import { ErrnoError } from "../../sys/errno.ts";
import { close } from "../../sys/files/file.ts";
import { memoryFile, namelessFile } from "../../sys/files/nameless.ts";
import { effectiveUid } from "../../sys/processes/process.ts";
import { atMost } from "../../sys/waiting/deadline.ts";
import type { LockedFolder } from "../locked_folder.ts";
import type { Reactor } from "../reactor.ts";
import { Removals } from "../sandbox/removals.ts";
import { removeLeftovers } from "./leftovers.ts";
import { makePassableFolder, Place, writeFile } from "./place.ts";

/** The longest text that one argument can be, with the NUL at its end: MAX_ARG_STRLEN, linux/binfmts.h. */
const MAX_ARGUMENT_BYTES = 131_072;
/** Standard input up to this is in memory: a file on a disk takes longer to make. */
const SMALL_BYTES = 16_384;
/** What is in memory is found by the descriptor that its process has of it, behind 0, 1 and 2. */
const DESCRIPTOR = 3;
const RUNNABLE = 0o500;
const READABLE = 0o400;
/** What was full is tried again after this. */
const FULL_MS = 60_000;
/** How long the removal of files may hold up a stop; the next start goes on with it. */
const STOP_MS = 500;

interface Owner {
  uid: number;
  gid: number;
}

interface ContentsContext {
  reactor: Reactor;
  warn(message: string, fields: Record<string, unknown>): void;
}

/** Where a job's content is while its process runs. */
export interface ContentFile extends Disposable {
  /** As its process finds it. */
  readonly path: string;
  /** The descriptor that its process needs as its 3 for that. */
  readonly fd: number | undefined;
  /** A descriptor for a rule of the sandbox; `undefined`: it takes none. */
  readonly handle: number | undefined;
  /** Call once the job is over, or could not be started. */
  remove(): void;
  /** Closes what we have open of it. It stays. */
  [Symbol.dispose](): void;
}

/** Whether what is run of a job has to be in a file; of all else this room has nothing to do. */
export function needsFile({ how, content }: StartMessage): boolean {
  return how !== "text" || content.length >= MAX_ARGUMENT_BYTES;
}

/**
 * The files that jobs are executed from: each in a folder of ours, in the first directory that will do.
 *
 * Nothing is tried out before the first of them is needed. Where no directory will do, or none has room, the
 * file is in memory: then it has no name.
 */
export class Contents implements AsyncDisposable {
  readonly #context: ContentsContext;
  readonly #dataDirectory: string | undefined;
  readonly #removals: Removals;
  readonly #cleaning: Promise<unknown>;
  readonly #places: Place[] = [];
  readonly #unfit: Record<string, string> = {};
  #untried: readonly string[];
  #trying: Promise<void> | undefined;
  #hasWarned = false;
  /** Whether a file found no room in any place. */
  #lacksRoom = false;
  /** Directories that were full when they were tried. */
  #full: string[] = [];
  #lastTriedAt = 0;
  #madeCount = 0;

  /**
   * @param directories For what is executed, in the order of preference.
   * @param dataDirectory For large standard inputs.
   */
  constructor(
    directories: readonly string[],
    dataDirectory: string | undefined,
    context: ContentsContext,
  ) {
    this.#context = context;
    this.#untried = [...new Set(directories)];
    this.#dataDirectory = dataDirectory;
    // Nobody but we can put anything into these folders, so that nobody can lead a helper out of them.
    this.#removals = new Removals({
      ...context,
      confined: undefined,
      what: "the file that a job was run from",
    });
    this.#cleaning = Promise.all(
      this.#untried.map((directory) => removeLeftovers(directory, this.#removals, context.reactor)),
    );
  }

  /**
   * Looks for a place, unless one is known that the job can be executed from.
   * @returns What to wait for first, if anything; it rejects with an `ErrnoError` for want of something.
   */
  prepare(start: StartMessage): Promise<void> | undefined {
    if (!needsFile(start)) return undefined;
    const { runAs } = start;
    if (this.#isKnownFor(runAs)) return undefined;
    if (this.#untried.length === 0) this.#tryFullAgain();
    return this.#untried.length === 0 ? undefined : this.#search(runAs);
  }

  /**
   * @param owner Whom the job runs as; `undefined`: the daemon's own user.
   * @throws {ErrnoError} If there is no place for it, and no room in memory.
   */
  make({ jobId, content }: StartMessage, owner: Owner | undefined): ContentFile {
    let failure: ErrnoError | undefined;
    for (const place of this.#placesFor(owner)) {
      try {
        return this.#makeIn(place.root(), jobId, content, owner);
      } catch (error) {
        if (!(error instanceof ErrnoError)) throw error;
        failure ??= error;
      }
    }
    this.#lacksRoom = failure !== undefined;
    try {
      return new MemoryContent(memoryFile(content, "program", { owner, mode: RUNNABLE }));
    } catch (error) {
      const isForbidden = error instanceof ErrnoError && error.is("EACCES"); // By vm.memfd_noexec.
      throw isForbidden && failure ? failure : error;
    }
  }

  /**
   * A file with a job's standard input, open for reading at its beginning.
   * @throws {ErrnoError} If there is no room for it.
   */
  openInput(data: Uint8Array, owner: Owner | undefined): number {
    const ownership = { owner, mode: READABLE };
    if (data.length > SMALL_BYTES && this.#dataDirectory !== undefined) {
      try {
        return namelessFile(data, this.#dataDirectory, ownership);
      } catch (error) {
        if (!(error instanceof ErrnoError)) throw error;
      }
    }
    return memoryFile(data, "data", ownership);
  }

  /** Call once no job runs any more. */
  async [Symbol.asyncDispose](): Promise<void> {
    await atMost(
      STOP_MS,
      Promise.allSettled([this.#trying, this.#cleaning.then(() => this.#removals.idle())]),
    );
    this.#untried = [];
    this.#removals.stop();
    for (const place of this.#places.splice(0)) place[Symbol.dispose]();
  }

  #placesFor(owner: Owner | undefined): Place[] {
    return this.#places.filter(({ reach }) => owner === undefined || reach === "everyone");
  }

  #isKnownFor(owner: Owner | undefined): boolean {
    return !this.#lacksRoom && this.#placesFor(owner).length > 0;
  }

  /** Tries one after another out, up to the first that will do for that user's jobs. */
  async #search(owner: Owner | undefined) {
    while (!this.#isKnownFor(owner) && this.#untried.length > 0) {
      await (this.#trying ??= this.#tryNext().finally(() => this.#trying = undefined));
    }
    if (this.#placesFor(owner).length > 0 || this.#hasWarned) return;
    this.#hasWarned = true;
    this.#context.warn("no directory for the files that jobs are executed from", {
      unfit: this.#unfit,
      advice: "name one by --exec-dir that all users can pass through; until then they are in memory",
    });
  }

  async #tryNext() {
    const directory = must(this.#untried[0], "there is one as long as it is searched");
    this.#lacksRoom = false;
    this.#lastTriedAt = performance.now();
    const found = await Place.tryOut(directory, this.#context.reactor);
    this.#untried = this.#untried.filter((other) => other !== directory);
    if (found instanceof Place) return void this.#places.push(found);
    this.#unfit[directory] = found.unfit;
    if (found.isFull) this.#full.push(directory);
  }

  #tryFullAgain() {
    if (performance.now() < this.#lastTriedAt + FULL_MS) return;
    this.#untried = this.#full.splice(0);
  }

  #makeIn(root: LockedFolder, jobId: string, content: Uint8Array, owner: Owner | undefined): ContentFile {
    const { directory, path } = root;
    const uid = owner?.uid ?? effectiveUid();
    const name = `${++this.#madeCount}.${uid}`;
    using made = new DisposableStack();
    const folder = made.use(makePassableFolder(directory, name));
    try {
      writeFile(folder, jobId, content, owner);
      const handle = folder.openPath(jobId);
      return new NamedContent(`${path}/${name}/${jobId}`, handle, () => this.#remove(root, name, jobId, uid));
    } catch (error) {
      this.#remove(root, name, jobId, uid);
      throw error;
    }
  }

  /**
   * Another user could keep us waiting for the lock of a file that is his: a helper removes that. Where more
   * is in the folder, a job of our own user has put it there.
   */
  #remove(root: LockedFolder, name: string, jobId: string, owner: number) {
    const { directory, path } = root;
    if (owner === effectiveUid() && removeNow(directory, name, jobId)) return;
    this.#removals.remove({ open: () => directory.openChild("."), path, name, owner });
  }
}

/** @returns Whether both are gone. */
function removeNow(directory: LockedFolder["directory"], name: string, jobId: string): boolean {
  try {
    using folder = directory.openChild(name);
    folder.removeFile(jobId);
    return directory.removeDirectory(name);
  } catch (error) {
    if (error instanceof ErrnoError) return error.is("ENOENT");
    throw error;
  }
}

class NamedContent implements ContentFile {
  readonly fd = undefined;
  readonly remove: () => void;
  #handle: number | undefined;

  constructor(readonly path: string, handle: number, remove: () => void) {
    this.#handle = handle;
    this.remove = remove;
  }

  get handle(): number | undefined {
    return this.#handle;
  }

  [Symbol.dispose](): void {
    if (this.#handle !== undefined) close(this.#handle);
    this.#handle = undefined;
  }
}

/** The kernel asks no sandbox about files that are in no file system. */
class MemoryContent implements ContentFile {
  readonly path = `/proc/self/fd/${DESCRIPTOR}`;
  readonly handle = undefined;
  #fd: number | undefined;

  constructor(fd: number) {
    this.#fd = fd;
  }

  get fd(): number | undefined {
    return this.#fd;
  }

  remove(): void {
    // It is gone with the last that has it open.
  }

  [Symbol.dispose](): void {
    if (this.#fd !== undefined) close(this.#fd);
    this.#fd = undefined;
  }
}
