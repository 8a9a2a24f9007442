import { CMemory } from "./c_memory.ts";
import { Calls, CAN_EXECUTE, ChildCode, type Step } from "./child_code.ts";
import { ErrnoError, type ErrnoName } from "./errno.ts";
import { readKernelFile } from "./kernel_files.ts";
import { HOST_ENDIAN } from "./libc.ts";
import { Sources } from "./sources.ts";
import { SpawnMemory, type SpawnSpec } from "./spawn_memory.ts";
import { AT_FDCWD, type SystemCall, systemCall } from "./system_call.ts";
import type { Started } from "./started.ts";

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
const CLONE_VFORK = 0x4000n;
const CLONE_CHILD_CLEARTID = 0x200000n;
const CLONE_CLEAR_SIGHAND = 0x100000000n;
const CLONE_INTO_CGROUP = 0x200000000n;
// asm/signal.h
const SIGCHLD = 17n;
const SIG_SETMASK = 2n;
const SIGSET_BYTES = 8n; // of which the kernel knows
const SIGACTION_BYTES = 32;
const SIG_IGN = 1;
const F_OK = 0n; // unistd.h

/**
 * Starts a program in a session of its own, with no signal blocked or ignored. No thread of ours is ever restricted as it is.
 * @returns `undefined` where this can't be done.
 * @throws {ErrnoError} As clone3(2) otherwise; then there is no process.
 * @see clone(2): libc has no function for clone3(2), with which the two run side by side in one memory until the child executes
 *   its program; vfork(2) would have this thread wait for that. CLONE_CLEAR_SIGHAND is of Linux 5.5.
 */
export function spawnByClone(spec: SpawnSpec): Started | undefined {
  return clone(spec, undefined);
}

/**
 * The same in a cgroup, from the first instruction on. Who joins a group by writing to cgroup.procs waits for 10 ms or more where
 * nobody has done so for a while: the kernel waits until all processors have passed by. In a group whose memory is limited, this thread
 * waits until the child executes its program.
 * @param cgroup A descriptor of the group's directory. CLONE_INTO_CGROUP is of Linux 5.7; there are groups that it is not for.
 */
export function spawnIntoCgroup(spec: SpawnSpec, cgroup: number): Started | undefined {
  return clone(spec, cgroup);
}

function clone(spec: SpawnSpec, cgroup: number | undefined): Started | undefined {
  if (!CAN_EXECUTE) return undefined;
  code ??= loadChildCode();
  if (code === "forbidden") return undefined;
  for (const child of UNDER_WAY) if (child.hasLeft) child.settle();
  using fds = new Sources(spec.fds); // The child has a table of its own.
  const child = new Child(spec, fds);
  const pid = code.start(cloneArgs(flagsFor(spec, cgroup), child.tidAddress, cgroup), child.calls);
  if (pid > 0) return { pid, failure: () => child.settle() };
  child.settle();
  return notCloned(-pid);
}

/** What a child reads of our memory before it has one of its own; there even if this thread ends meanwhile. */
class Child {
  readonly calls: Calls;
  readonly #memory: SpawnMemory;
  readonly #tid: CMemory;
  readonly #isHere: Int32Array<ArrayBuffer>;
  #settled: { failure: ErrnoError | undefined } | undefined;

  constructor(spec: SpawnSpec, fds: Sources) {
    this.#memory = new SpawnMemory(spec);
    this.calls = new Calls(stepsOf(this.#memory, fds));
    this.#tid = new CMemory(Int32Array.BYTES_PER_ELEMENT);
    this.#isHere = new Int32Array(this.#tid.buffer).fill(1);
    UNDER_WAY.add(this);
  }

  /** Where the kernel writes a 0 once the child has left our memory. */
  get tidAddress(): bigint {
    return this.#tid.address;
  }

  get hasLeft(): boolean {
    return Atomics.load(this.#isHere, 0) === 0;
  }

  /** To be called when it has left, or ended. @returns What went wrong before it could execute its program. */
  settle(): ErrnoError | undefined {
    if (!this.#settled) {
      this.#settled = { failure: this.calls.error };
      UNDER_WAY.delete(this);
      for (const memory of [this.calls, this.#memory, this.#tid]) memory[Symbol.dispose]();
    }
    return this.#settled.failure;
  }
}

/** Those that have not settled. */
const UNDER_WAY = new Set<Child>();

let code: ChildCode | "forbidden" | undefined;

function loadChildCode(): ChildCode | "forbidden" {
  try {
    return new ChildCode();
  } catch (error) {
    if (error instanceof ErrnoError) return "forbidden";
    throw error;
  }
}

/** What clone3(2) says of a group, or of itself. */
const NOT_THERE: readonly ErrnoName[] = [
  "EACCES",
  "EBADF",
  "EBUSY",
  "EINVAL",
  "ENODEV",
  "ENOSYS",
  "EOPNOTSUPP",
  "EPERM",
];

function notCloned(errno: number): undefined {
  const error = new ErrnoError(errno, "clone3");
  if (!NOT_THERE.some((name) => error.is(name))) throw error;
}

/**
 * A child that wants more memory than its cgroup may have is killed, and with it all that share its memory, which is us. The kernel
 * spares one for which its parent waits: then execve(2) fails.
 */
function flagsFor({ memory }: SpawnSpec, cgroup: number | undefined): bigint {
  const flags = CLONE_VM | CLONE_CLEAR_SIGHAND | CLONE_CHILD_CLEARTID;
  if (cgroup === undefined) return flags;
  return flags | CLONE_INTO_CGROUP | (memory === "limited" ? CLONE_VFORK : 0n);
}

function cloneArgs(
  flags: bigint,
  tidAddress: bigint,
  cgroup: number | undefined,
): Uint8Array<ArrayBuffer> {
  const view = new DataView(new ArrayBuffer(CLONE_ARGS.sizeof));
  const u64 = (offset: number, value: bigint) => view.setBigUint64(offset, value, HOST_ENDIAN);
  u64(CLONE_ARGS.flags, flags);
  u64(CLONE_ARGS.child_tid, tidAddress);
  u64(CLONE_ARGS.exit_signal, SIGCHLD);
  if (cgroup !== undefined) u64(CLONE_ARGS.cgroup, BigInt(cgroup));
  return new Uint8Array(view.buffer);
}

function stepsOf({ cwd, before, seal, path, argv, envp }: SpawnMemory, fds: Sources): Step[] {
  const calls = [
    systemCall("setsid"),
    // To ignore a signal is to forget one that has come.
    ...FROM_TERMINAL.map((signal) => acting(signal, IGNORING)),
    ...[...FROM_TERMINAL, ...IGNORED].map((signal) => acting(signal, DEFAULT_ACTION)),
    ...fds.all.map((from, to) => systemCall("dup3", BigInt(from), BigInt(to), 0n)),
    ...cwd === undefined ? [] : [systemCall("chdir", cwd)],
    // Where it is not there, that it can't be renamed says nothing.
    ...seal ? [systemCall("faccessat", AT_FDCWD, seal.path, F_OK)] : [],
    ...before,
  ];
  const execution = [
    systemCall("rt_sigprocmask", SIG_SETMASK, NO_SIGNALS.address, 0n, SIGSET_BYTES),
    systemCall("execve", path, argv, envp),
  ];
  return [
    ...calls.map(toSucceed),
    ...seal ? [{ call: seal.breaking, is: "to fail" as const }] : [],
    ...execution.map(toSucceed),
  ];
}

function toSucceed(call: SystemCall): Step {
  return { call, is: "to succeed" };
}

function acting(signal: bigint, action: CMemory): SystemCall {
  return systemCall("rt_sigaction", signal, action.address, 0n, SIGSET_BYTES);
}

const DEFAULT_ACTION = new CMemory(SIGACTION_BYTES);
const IGNORING = CMemory.of(new Uint8Array(SIGACTION_BYTES).with(0, SIG_IGN));
/** SIGHUP, SIGINT and SIGQUIT, which a terminal sends to all of our group: a child is in it until its own session begins. */
const FROM_TERMINAL = [1n, 2n, 3n];
const NO_SIGNALS = new CMemory(Number(SIGSET_BYTES));
const IGNORED = ignoredSignals();

/** The signals that this process ignores, which a program would go on to ignore. */
function ignoredSignals(): bigint[] {
  const [, mask = "0"] = /^SigIgn:\t(\w+)$/m.exec(readKernelFile("/proc/self/status")) ?? [];
  const bits = BigInt(`0x${mask}`);
  return Array.from({ length: 64 }, (_, i) => BigInt(i)).filter((bit) => bits >> bit & 1n).map((bit) =>
    bit + 1n
  );
}
