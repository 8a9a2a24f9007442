import type { Survivor } from "../job/log_text.ts";
import { type Exit, KILLING_MS, type StartMessage } from "../run/messages.ts";
import { Timer } from "../run/waiting.ts";
import { atMost } from "../sys/waiting/deadline.ts";
import { effectiveUid } from "../sys/processes/process.ts";
import { childState } from "../sys/processes/wait.ts";
import { hasRunOutOfMemory } from "./cgroup/memory.ts";
import type { WorkerContext } from "./context.ts";
import type { Member } from "./end/member.ts";
import { membersOf } from "./end/members.ts";
import { type ProcessSet, signalGroup, Termination, untilGone } from "./end/termination.ts";
import { limitReached } from "./limit_reached.ts";
import { Capture } from "./output/capture.ts";
import { nextUserOf } from "./start/launch.ts";
import type { Shell } from "./start/shell.ts";

/**
 * A run that is over before is not introduced. That saves the main thread a message and a write: of jobs that
 * do nothing, each took 310 us of its CPU, and takes 260. After a crash before this, the run is found by its
 * mark.
 */
const INTRODUCTION_MS = 4;
/** Between SIGTERM and SIGKILL, for a command that timed out. */
const TIMEOUT_GRACE_MS = 5_000;
/** How long the pipe may outlast the shell before anybody asks who holds it. */
const FIRST_LINGER_MS = 20;
const LINGER_MS = 250;
const WARNING = "SIGUSR1";
const OWN_UID = effectiveUid();
/** No kernel goes through all of its process numbers in this time. */
const NUMBER_REUSE_MS = 100;

type State = "starting" | "running" | "lingering" | "terminating" | "over";

const NEXT: Record<State, readonly State[]> = {
  starting: ["running", "lingering"],
  running: ["lingering", "terminating"],
  lingering: ["terminating", "over"],
  terminating: ["over"],
  over: [],
};

/**
 * One execution of a job, from the spawn to the last of its processes. What an event makes of each state:
 *
 * | event                                | starting    | running     | lingering   | terminating | over |
 * | ------------------------------------ | ----------- | ----------- | ----------- | ----------- | ---- |
 * | 4 ms are over                        | running     |             | stays       |             |      |
 * | the shell ends                       | lingering   | lingering   |             | stays       | over |
 * | output ends, or the group is empty   |             |             | over        | stays       |      |
 * | `end()`, or the timeout              | terminating | terminating | terminating | hurries     | over |
 * | all is gone, or SIGKILL was in vain  |             |             |             | over        |      |
 *
 * - starting: the main thread does not know its processes. On the way to any state but lingering and over, it
 * is told.
 * - running: the shell lives.
 * - lingering: the shell has ended, and processes of its group have the output open.
 * - terminating: its processes are ended, with SIGTERM and then SIGKILL.
 * - over: the rest of the output is read, and `ended` is posted. What SIGKILL did not end is watched until it
 * is gone.
 */
export class Execution {
  /** Resolves once `ended` is posted. */
  readonly over: Promise<void>;
  readonly #start: Omit<StartMessage, "content" | "stdin">;
  readonly #context: WorkerContext;
  readonly #uid: number;
  readonly #shell: Shell;
  readonly #processes: ProcessSet;
  readonly #capture: Capture;
  readonly #terminating = Promise.withResolvers<void>();
  #state: State = "starting";
  #introduction: ReturnType<typeof setTimeout> | undefined;
  #termination: Termination | undefined;
  #hasTimedOut = false;
  #shellEndedAt = Infinity;

  constructor(shell: Shell, start: StartMessage, context: WorkerContext) {
    const { run, maxLogBytes } = start;
    const { leader, pidfd, cgroup } = shell;
    const { content: _content, stdin: _stdin, ...rest } = start; // Which may be large: the kernel has them by now.
    this.#start = rest;
    this.#context = context;
    this.#uid = start.runAs?.uid ?? OWN_UID;
    this.#shell = shell;
    context.leaders.add(leader.pid);
    shell.exit.then(() => {
      context.leaders.delete(leader.pid);
      this.#shellEndedAt = performance.now();
    });
    this.#capture = new Capture(
      shell.output.reader,
      maxLogBytes,
      (bytes) => context.post({ kind: "output", run, bytes }, [bytes.buffer]),
      context.reactor,
    );
    this.#processes = {
      members: membersOf({
        run,
        uid: this.#uid,
        leader,
        hasGroup: () => pidfd?.hasGroup() ?? performance.now() < this.#shellEndedAt + NUMBER_REUSE_MS,
        cgroup,
        child: () => this.#isShellLiving() ? leader.pid : undefined,
      }, context.lookout),
      group: pidfd && { id: leader.pid, leader: pidfd },
      cgroup,
    };
    this.#introduction = setTimeout(() => this.#introduce(), INTRODUCTION_MS);
    this.over = this.#attend();
  }

  /**
   * Ends all of it: SIGTERM, and SIGKILL after `graceMs`, which has `killingMs`; less of either, if that was
   * said before.
   */
  end(graceMs: number, killingMs: number): void {
    if (this.#is("over")) return;
    if (this.#termination) return this.#termination.hurry(graceMs, killingMs);
    this.#introduce(); // What is left of it in the end is to be known.
    this.#enter("terminating");
    this.#termination = new Termination(this.#processes, graceMs, killingMs);
    this.#terminating.resolve();
  }

  taken(bytes: number): void {
    this.#capture.taken(bytes);
  }

  #is(...states: State[]): boolean {
    return states.includes(this.#state);
  }

  #enter(next: State) {
    if (!NEXT[this.#state].includes(next)) throw new Error(`Not so: ${next} comes after ${this.#state}`);
    this.#state = next;
  }

  /** Tells the main thread whose processes the run has, once. */
  #introduce() {
    if (this.#introduction === undefined) return;
    this.#stayUnknown();
    const { leader, cgroup } = this.#shell;
    this.#context.post({ kind: "started", run: this.#start.run, leader, cgroup, uid: this.#uid });
    if (this.#is("starting")) this.#enter("running");
  }

  #stayUnknown() {
    clearTimeout(this.#introduction);
    this.#introduction = undefined;
  }

  async #attend() {
    const { timeoutMs, warnMs } = this.#start;
    const timeout = timeoutMs === 0 ? undefined : new Timer(timeoutMs, () => this.#timeOut());
    const isWarned = warnMs > 0 && warnMs < timeoutMs;
    const warning = isWarned ? new Timer(timeoutMs - warnMs, () => this.#warn()) : undefined;
    await Promise.race([this.#untilQuiet(), this.#terminating.promise]);
    warning?.[Symbol.dispose]();
    timeout?.[Symbol.dispose]();
    const survivors = await this.#termination?.run() ?? [];
    this.#enter("over");
    this.#stayUnknown();
    await this.#conclude(survivors);
  }

  /** Reads the rest, gives back what the run had, and posts how it ended. */
  async #conclude(survivors: Survivor[]) {
    const { cgroups, sandbox, post } = this.#context;
    const { output: { relay }, confinement, content, cgroup } = this.#shell;
    if (relay) {
      await this.#capture.drain(relay);
      relay.stop();
    }
    const { droppedBytes, tail } = this.#capture.finish();
    const exit = await this.#exit(survivors);
    // After `cgroup.kill` the kernel kills anything cloned into that group, so we never reuse it.
    const isGone = cgroup !== undefined &&
      cgroups.release(cgroup, this.#termination ? "once" : nextUserOf(this.#start));
    content?.remove();
    if (confinement) sandbox?.leave(confinement, isGone ? "nothing" : "perhaps something");
    post({ kind: "ended", run: this.#start.run, exit, droppedBytes, tail, survivors }, [tail.buffer]);
    if (survivors.length === 0) this.#shell[Symbol.dispose]();
    else this.#watchSurvivors();
  }

  async #watchSurvivors() {
    const { cgroups, post } = this.#context;
    const { cgroup } = this.#shell;
    await untilGone(this.#processes);
    this.#shell[Symbol.dispose]();
    if (cgroup !== undefined) cgroups.release(cgroup, "once");
    post({ kind: "gone", run: this.#start.run });
  }

  /** Tells the processes of its group, once, that its time is nearly up. */
  async #warn() {
    const { group, members } = this.#processes;
    if (group && signalGroup(group.leader, WARNING)) return;
    members.signal(this.#inGroup(await members.find()), WARNING);
  }

  /** Where filed itself was stopped, the timer may come before the word that the run has ended in time. */
  async #timeOut() {
    const hasEnded = !this.#isShellLiving() && (await this.#findGroup()).length === 0;
    if (hasEnded || this.#is("terminating", "over")) return;
    this.#hasTimedOut = true;
    this.end(TIMEOUT_GRACE_MS, KILLING_MS);
  }

  async #exit(survivors: Survivor[]): Promise<Exit> {
    if (this.#hasTimedOut) return { kind: "timed-out" };
    const isShellLeft = survivors.some(({ pid }) => pid === this.#shell.leader.pid);
    if (isShellLeft) return { kind: "signaled", signal: "SIGKILL" };
    const { limits } = this.#start;
    const exit = await this.#shell.exit;
    const { obstacle, cgroup } = this.#shell;
    if (obstacle) return obstacle;
    const isOutOfMemory = limits.maxMemoryMb > 0 && cgroup !== undefined && hasRunOutOfMemory(cgroup);
    const limit = limitReached(exit, limits, isOutOfMemory);
    return limit ? { ...exit, limit } : exit;
  }

  /** Resolves once the shell has ended, and its pipe or its group as well. */
  async #untilQuiet() {
    await this.#shell.exit;
    if (!this.#is("starting", "running")) return;
    this.#enter("lingering");
    this.#capture.read();
    if (this.#capture.hasEnded) return;
    const done = Promise.race([this.#capture.ended, this.#terminating.promise]);
    let group: Member[] = [];
    for (let waitMs = FIRST_LINGER_MS; !await atMost(waitMs, done); waitMs = LINGER_MS) {
      group = this.#inGroup(this.#processes.members.still(group));
      if (group.length === 0) group = await this.#findGroup();
      if (group.length === 0) return;
    }
  }

  /** Asked by number, which means the shell until somebody has asked how it ended. */
  #isShellLiving(): boolean {
    return this.#shellEndedAt === Infinity && childState(this.#shell.leader.pid) === "lives";
  }

  async #findGroup(): Promise<Member[]> {
    if (this.#shell.pidfd?.hasGroup() === false) return [];
    return this.#inGroup(await this.#processes.members.find());
  }

  #inGroup(members: readonly Member[]): Member[] {
    return members.filter(({ groupId }) => groupId === this.#shell.leader.pid);
  }
}
