/**
 * The one way to start a job's process, and any that is confined, or in a cgroup, or another user's. A short
 * look of our own (`stat`, `fusermount3`) is a `Deno.Command`.
 *
 * clone3(2), which libc has no function for, runs the child beside us in our own memory. A few bytes of
 * machine code (`child_code.ts`) make its system calls, one after another (`child_steps.ts`), until it
 * executes its program. Measured against posix_spawn(3), which waits for each child's execve(2): a backlog
 * drains 1.23 times as fast on a calm machine, 1.04 to 1.7 times on a busy one, and a job starts after 2 ms,
 * not 15. Only clone3(2) starts a process in a cgroup (CLONE_INTO_CGROUP): a process that joins by writing to
 * cgroup.procs waits for 10 ms or more where nobody has joined for a while, as the kernel waits until all
 * processors have passed by. No thread of ours is ever restricted as the child is, nor becomes another user.
 */
import { Arena, CMemory } from "../c_memory.ts";
import { Calls, startChild } from "./child_code.ts";
import { stepsOf } from "./child_steps.ts";
import { ERRNO, ErrnoError, type ErrnoName } from "../errno.ts";
import { HOST_ENDIAN, lastErrno } from "../libc.ts";
import { close, duplicate } from "../files/file.ts";
import type { SpawnSpec } from "./spec.ts";
import { perform, type SystemCall, systemCall } from "../system_call.ts";

export type { Credentials } from "./credentials.ts";
export type { Restriction } from "./restriction.ts";
export { AS_WE_ARE, type SpawnSpec } from "./spec.ts";

/** A process just started, for whose end the caller waits. It may not have come to its program yet. */
export interface Started {
  pid: number;
  /** Whether it shares no memory with us: it executed its program, or ended, or had a copy at the start. */
  hasLeft(): boolean;
  /** Why it has executed nothing: what failed in execve(2), or before. To be asked once it has ended. */
  failure(): ErrnoError | undefined;
}

/** struct clone_args, linux/sched.h */
const CLONE_ARGS = {
  flags: 0,
  /* pidfd: 8, */
  child_tid: 16,
  /* parent_tid: 24, */
  exit_signal: 32,
  /* stack: 40, stack_size: 48, tls: 56, set_tid: 64, set_tid_size: 72, */
  cgroup: 80,
  sizeof: 88,
} as const;
const CLONE_VM = 0x100n;
const CLONE_CHILD_CLEARTID = 0x200000n;
const CLONE_CLEAR_SIGHAND = 0x100000000n; // Linux 5.5
const CLONE_INTO_CGROUP = 0x200000000n; // Linux 5.7
const SIGCHLD = 17n; // asm/signal.h

/**
 * Whether clone3(2) is there, which a container's filter may not know. Asked for without any arguments, it
 * says EINVAL where it is, and starts nothing.
 */
const HAS_CLONE3 = perform(systemCall("clone3")) === -1 && lastErrno() === ERRNO.EINVAL;

/** No program is given a descriptor as high as this. */
const HIGHEST_FD = 9;

/** Errors of clone3(2) for a group in which it starts nothing. */
const NOT_THERE: readonly ErrnoName[] = ["EACCES", "EBADF", "EBUSY", "EINVAL", "EOPNOTSUPP", "EPERM"];

/**
 * Starts a program in a session of its own, with no signal blocked or ignored.
 * @throws {ErrnoError} If there can be no process: EAGAIN, ENOMEM, EMFILE.
 * @see clone(2), vfork(2): that one would have this thread wait for whoever can stop the child.
 */
export function spawn(spec: SpawnSpec): Started {
  const started = start(spec, HAS_CLONE3 ? "clone3" : "clone", undefined);
  if (typeof started === "number") throw new ErrnoError(started, "clone");
  return started;
}

/**
 * The same in a cgroup, from the first instruction on.
 * @param cgroup A descriptor of the group's directory.
 * @returns `undefined` where the kernel starts nothing in a group, or nothing in this one.
 * @throws {ErrnoError} As `spawn`; ENODEV if the group was removed.
 */
export function spawnIntoCgroup(spec: SpawnSpec, cgroup: number): Started | undefined {
  if (!HAS_CLONE3) return undefined;
  const started = start(spec, "clone3", cgroup);
  if (typeof started !== "number") return started;
  const error = new ErrnoError(started, "clone3 into a cgroup");
  if (error.is(...NOT_THERE)) return undefined;
  throw error;
}

/** @returns An errno, if there is no child. */
function start(spec: SpawnSpec, how: "clone3" | "clone", cgroup: number | undefined): Started | number {
  for (const child of UNDER_WAY) if (child.hasLeft) child.settle();
  const { fds, restriction } = spec;
  // Above those that they become. The child has a table of its own, so that we can close these at once.
  using moved = new DisposableStack();
  const sources = [...fds, ...restriction ? [restriction.ruleset] : []].map((fd) =>
    fd > HIGHEST_FD ? fd : moved.adopt(duplicate(fd, HIGHEST_FD + 1), close)
  );
  const child = new Child(spec, sources, how);
  using args = new CMemory(CLONE_ARGS.sizeof);
  const clone = how === "clone3" ? clone3(args, child, cgroup) : systemCall("clone", SIGCHLD);
  const pid = startChild(clone, child.calls);
  if (pid > 0) return { pid, hasLeft: () => child.hasLeft, failure: () => child.settle() };
  child.settle();
  return -pid;
}

/** The memory that a child reads before it has one of its own; there even if this thread ends meanwhile. */
class Child {
  readonly calls: Calls;
  /**
   * Whether it shares our memory until it executes its program, which is faster. Where a cgroup limits its
   * memory, it has a copy, as after fork(2): past the limit, the kernel kills all that share it.
   */
  readonly shares: boolean;
  readonly #memory: DisposableStack;
  readonly #tid: CMemory;
  readonly #isHere: Int32Array<ArrayBuffer>;
  #settled: { failure: ErrnoError | undefined } | undefined;

  constructor(spec: SpawnSpec, sources: readonly number[], how: "clone3" | "clone") {
    this.shares = how === "clone3" && spec.memory !== "limited";
    using made = new DisposableStack();
    const steps = stepsOf(spec, made.use(new Arena()), sources, how === "clone3" ? "cleared" : "ours");
    this.calls = made.use(new Calls(steps, this.shares ? "own" : "shared"));
    this.#tid = made.use(new CMemory(Int32Array.BYTES_PER_ELEMENT));
    this.#memory = made.move();
    this.#isHere = new Int32Array(this.#tid.buffer).fill(1);
    if (this.shares) UNDER_WAY.add(this);
  }

  /** Where the kernel writes a 0 once the child has left our memory. */
  get tidAddress(): bigint {
    return this.#tid.address;
  }

  get hasLeft(): boolean {
    return !this.shares || this.#settled !== undefined || Atomics.load(this.#isHere, 0) === 0;
  }

  /**
   * Call once it has left, or ended; if it has a copy, once it has ended.
   * @returns What went wrong before it could execute its program.
   */
  settle(): ErrnoError | undefined {
    if (!this.#settled) {
      this.#settled = { failure: this.calls.error };
      UNDER_WAY.delete(this);
      this.#memory.dispose();
    }
    return this.#settled.failure;
  }
}

/** Those that share our memory and have not settled. */
const UNDER_WAY = new Set<Child>();

function clone3(args: CMemory, { shares, tidAddress }: Child, cgroup: number | undefined): SystemCall {
  const sharing = shares ? CLONE_VM | CLONE_CHILD_CLEARTID : 0n;
  const flags = CLONE_CLEAR_SIGHAND | sharing | (cgroup === undefined ? 0n : CLONE_INTO_CGROUP);
  const view = new DataView(args.buffer);
  const u64 = (offset: number, value: bigint) => view.setBigUint64(offset, value, HOST_ENDIAN);
  u64(CLONE_ARGS.flags, flags);
  u64(CLONE_ARGS.child_tid, tidAddress);
  u64(CLONE_ARGS.exit_signal, SIGCHLD);
  if (cgroup !== undefined) u64(CLONE_ARGS.cgroup, BigInt(cgroup));
  return systemCall("clone3", args.address, BigInt(CLONE_ARGS.sizeof));
}
