import { listKernelDirectory, readKernelFile } from "../../sys/files/kernel_files.ts";
import { childState, waitIfEnded } from "../../sys/processes/wait.ts";
import { unlessRefused } from "../unless_refused.ts";

/** From the first look at a child that has ended to the second: by then, who started it has asked. */
const PATIENCE_MS = 1_000;

/**
 * Asks of children that nobody else asks for how they ended, so that they don't stay as zombies: orphans,
 * where this process adopts them. A child that somebody here started is left to who did.
 */
export class Orphans implements Disposable {
  readonly #isOwn: (pid: number) => boolean;
  /** Those that had ended when it was last looked. */
  #seen = new Set<number>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #onChild = () => this.#look();

  /** @param isOwn Whether a child is one that is asked for by its number. */
  constructor(isOwn: (pid: number) => boolean) {
    this.#isOwn = isOwn;
    Deno.addSignalListener("SIGCHLD", this.#onChild);
    this.#look();
  }

  [Symbol.dispose](): void {
    Deno.removeSignalListener("SIGCHLD", this.#onChild);
    clearTimeout(this.#timer);
  }

  /**
   * Looks at once, and once more if there is anything to ask for; children that end meanwhile are for the
   * look after that.
   */
  #look() {
    if (this.#timer !== undefined) return;
    const ended = listChildren().filter((pid) => !this.#isOwn(pid) && childState(pid) === "ended");
    for (const pid of ended) {
      if (this.#seen.has(pid)) unlessRefused(() => waitIfEnded(pid)); // ECHILD: somebody was faster.
    }
    this.#seen = new Set(ended.filter((pid) => !this.#seen.has(pid)));
    if (this.#seen.size === 0) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#look();
    }, PATIENCE_MS);
  }
}

/** The children of all threads; none before they can be told. */
function listChildren(): number[] {
  return unlessRefused(() => {
    const threads = listKernelDirectory("/proc/self/task");
    const lists = threads.map(({ name }) => readKernelFile(`/proc/self/task/${name}/children`));
    return lists.flatMap((list) => list.split(" ").filter(Boolean).map(Number));
  }) ?? []; // A thread has ended meanwhile, or there is no such file.
}
