import { CMemory, SharedMemory } from "../c_memory.ts";
import { Calls, ChildCode } from "./child_code.ts";
import { stepsOf } from "./child_steps.ts";
import { ERRNO, ErrnoError, type ErrnoName } from "../errno.ts";
import { HOST_ENDIAN, lastErrno, LIBC } from "../libc.ts";
import { Sources } from "./sources.ts";
import { SpawnMemory, type SpawnSpec } from "./spec.ts";
import { type SystemCall, systemCall } from "../system_call.ts";
import type { Started } from "./started.ts";

const { symbols: libc } = Deno.dlopen(LIBC, {
  syscall: { parameters: ["i64", "i64", "i64"], result: "i64" },
});

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
const CLONE_CLEAR_SIGHAND = 0x100000000n;
const CLONE_INTO_CGROUP = 0x200000000n;
const SIGCHLD = 17n; // asm/signal.h

/**
 * Whether clone3(2) is there. A container's filter may not know it. Asked for with no arguments at all, it says EINVAL where it
 * is, and starts nothing.
 */
const HAS_CLONE3 = libc.syscall(systemCall("clone3").number, 0n, 0n) === -1n &&
  lastErrno() === ERRNO.EINVAL;

/**
 * Starts a program in a session of its own, with no signal blocked or ignored. No thread of ours is ever restricted as it is,
 * nor becomes another user.
 * @throws {ErrnoError} If there can be no process: EAGAIN, ENOMEM, EMFILE.
 * @see clone(2): libc has no function for clone3(2), with which the two run side by side in one memory until the child executes
 *   its program; vfork(2) would have this thread wait for that, and so for whoever can stop the child. CLONE_CLEAR_SIGHAND is of
 *   Linux 5.5.
 */
export function spawn(spec: SpawnSpec): Started {
  const started = start(spec, HAS_CLONE3 ? "clone3" : "clone", undefined);
  if (typeof started === "number") throw new ErrnoError(started, "clone");
  return started;
}

/**
 * The same in a cgroup, from the first instruction on. Who joins a group by writing to cgroup.procs waits for 10 ms or more where
 * nobody has done so for a while: the kernel waits until all processors have passed by.
 * @param cgroup A descriptor of the group's directory. CLONE_INTO_CGROUP is of Linux 5.7.
 * @returns `undefined` where the kernel starts nothing in a group, or nothing in this one.
 * @throws {ErrnoError} As `spawn`; ENODEV if the group was removed.
 */
export function spawnIntoCgroup(spec: SpawnSpec, cgroup: number): Started | undefined {
  if (!HAS_CLONE3) return undefined;
  const started = start(spec, "clone3", cgroup);
  if (typeof started !== "number") return started;
  const error = new ErrnoError(started, "clone3 into a cgroup");
  if (NOT_THERE.some((name) => error.is(name))) return undefined;
  throw error;
}

/** What clone3(2) says of a group in which it starts nothing. */
const NOT_THERE: readonly ErrnoName[] = ["EACCES", "EBADF", "EBUSY", "EINVAL", "EOPNOTSUPP", "EPERM"];

/** @returns An errno, if there is no child. */
function start(spec: SpawnSpec, how: "clone3" | "clone", cgroup: number | undefined): Started | number {
  code ??= new ChildCode();
  for (const child of UNDER_WAY) if (child.hasLeft) child.settle();
  const { fds, restriction } = spec;
  using sources = new Sources(restriction ? [...fds, restriction.ruleset] : fds); // The child has a table of its own.
  const child = how === "clone3"
    ? new Child(spec, sources.all, "cleared", memoryFor(spec))
    : new Child(spec, sources.all, "ours", "copied");
  using args = new CMemory(CLONE_ARGS.sizeof);
  const clone = how === "clone3" ? clone3(args, child, cgroup) : systemCall("clone", SIGCHLD);
  const pid = code.start(clone, child.calls);
  if (pid > 0) return { pid, hasLeft: () => child.hasLeft, failure: () => child.settle() };
  child.settle();
  return -pid;
}

let code: ChildCode | undefined;

/**
 * Whether a child shares our memory until it executes its program, which is faster. One that wants more than its cgroup may have is
 * killed, and with it all that share its memory, which would be us: where that can be, it has a copy, as after fork(2).
 */
type Memory = "shared" | "copied";

function memoryFor({ memory }: SpawnSpec): Memory {
  return memory === "limited" ? "copied" : "shared";
}

/** What a child reads of our memory before it has one of its own; there even if this thread ends meanwhile. */
class Child {
  readonly calls: Calls;
  readonly shares: boolean;
  readonly #memory: SpawnMemory;
  readonly #tid: CMemory;
  readonly #isHere: Int32Array<ArrayBuffer>;
  #settled: { failure: ErrnoError | undefined } | undefined;

  constructor(spec: SpawnSpec, sources: readonly number[], handlers: "cleared" | "ours", memory: Memory) {
    this.shares = memory === "shared";
    this.#memory = new SpawnMemory(spec);
    const steps = stepsOf(spec, this.#memory, sources, handlers);
    this.calls = new Calls(steps, this.shares ? CMemory : SharedMemory);
    this.#tid = new CMemory(Int32Array.BYTES_PER_ELEMENT);
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

  /** To be called when it has left, or ended; if it has a copy, when it has ended. @returns What went wrong before it could execute its program. */
  settle(): ErrnoError | undefined {
    if (!this.#settled) {
      this.#settled = { failure: this.calls.error };
      UNDER_WAY.delete(this);
      for (const memory of [this.calls, this.#memory, this.#tid]) memory[Symbol.dispose]();
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
