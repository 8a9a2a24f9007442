import { addressOf } from "./c_memory.ts";
import { Context, Memory, type NativeCall } from "./context.ts";
import { ErrnoError, type ErrnoName } from "./errno.ts";
import { readKernelFile } from "./kernel_files.ts";
import { LIBC } from "./libc.ts";
import { EXIT_THREAD, NativeThread } from "./native_thread.ts";
import { Sources } from "./sources.ts";
import { SpawnMemory, type SpawnSpec } from "./spawn_memory.ts";
import { STATX } from "./statx.ts";
import { waitIfEnded } from "./wait.ts";

const { symbols: libc } = Deno.dlopen(LIBC, {
  sem_timedwait: { parameters: ["pointer", "buffer"], result: "i32" },
  sem_post: { parameters: ["pointer"], result: "i32" },
});

/** Numbers in asm/unistd_64.h, of x86-64. */
const SYSCALL = {
  rt_sigaction: 13n,
  execve: 59n,
  chdir: 80n,
  setsid: 112n,
  exit_group: 231n,
  dup3: 292n,
  statx: 332n,
  clone3: 435n,
} as const;

/** struct clone_args, linux/sched.h */
const CLONE_ARGS = {
  flags: 0,
  /* pidfd: 8, */
  child_tid: 16,
  parent_tid: 24,
  exit_signal: 32,
  /* stack: 40, stack_size: 48, tls: 56, set_tid: 64, set_tid_size: 72, */
  cgroup: 80,
  sizeof: 88,
} as const;
const CLONE_VM = 0x100n;
const CLONE_VFORK = 0x4000n;
const CLONE_PARENT_SETTID = 0x100000n;
const CLONE_CHILD_CLEARTID = 0x200000n;
const CLONE_CHILD_SETTID = 0x1000000n;
const CLONE_CLEAR_SIGHAND = 0x100000000n;
const CLONE_INTO_CGROUP = 0x200000000n;
const SIGCHLD = 17n;
const SIGSET_BYTES = 8n;
const SIGACTION_BYTES = 32;
const SEM_BYTES = 32; // sem_t
/** Between two looks whether a child lives that says nothing. */
const LOOK_MS = 20;
const STATX_INO = 0x100n;
const AT_FDCWD = BigInt.asUintN(64, -100n);
const NOT_EXECUTED_STATUS = 127n;

/**
 * Whether `spawnIntoCgroup` may be tried. What it knows of libc's contexts was tried on x86-64 only.
 * @see clone(2): CLONE_INTO_CGROUP is of Linux 5.7.
 */
export const CAN_SPAWN_INTO_CGROUP = Deno.build.arch === "x86_64";

/**
 * Starts a program as `spawn` does, in a cgroup from its first instruction on. Who joins a group by writing to cgroup.procs
 * waits for 10 ms or more where nobody has done so for a while: the kernel waits until all processors have passed by.
 * @param cgroup A descriptor of the group's directory.
 * @returns `undefined` if the kernel does not do that, or not for this group.
 * @throws {ErrnoError} As clone3(2) and execve(2) otherwise; then nothing was started.
 */
export function spawnIntoCgroup(spec: SpawnSpec, cgroup: number): number | undefined {
  if (!CAN_SPAWN_INTO_CGROUP) return undefined;
  cloner ??= new Cloner();
  return cloner.spawn(spec, cgroup);
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

let cloner: Cloner | undefined;

/**
 * clone3(2) as vfork(2) uses it, for which libc has no function: parent and child share all memory, and the parent's thread goes
 * on once the child executes its program. That thread is a native one, whose calls are a chain of contexts; after the clone both go
 * on to the same context, `both`. The child, which comes first, makes it another one for the parent: the end of its thread.
 *
 * If the clone fails, or the child is killed before that, nothing was made for the parent, which must not do what is the child's. So there
 * is a gate after `both`, which the kernel opens by writing the child's number there, never 0, and shuts when the child has ended: the
 * parent stays there until it is ended.
 *
 * What a call returns is lost. Where the program must not be executed if one fails, the child has the kernel write down what came of it,
 * says that it is ready, and waits to be told to go on.
 */
class Cloner {
  readonly #thread = new NativeThread();
  readonly #args = new Memory(CLONE_ARGS.sizeof);
  /** Posted by all who come to `both`, by the child when it is ready, and by the parent when it ends. */
  readonly #news = new Memory(SEM_BYTES);
  readonly #gate = new Memory(SEM_BYTES);
  readonly #goOn = new Memory(SEM_BYTES);
  /** The directory that the child is in, the one that it shall be in, and the seal of its restriction. */
  readonly #here = new Memory(STATX.sizeof);
  readonly #there = new Memory(STATX.sizeof);
  readonly #seal = new Memory(STATX.sizeof);
  /** The child's number as the parent learns it. */
  readonly #pid = new Int32Array(1);
  /** Set by the two of them. */
  readonly #isReady = new Flag();
  readonly #hasFailed = new Flag();
  readonly #hasEnded = new Flag();
  readonly #defaultAction = new Uint8Array(SIGACTION_BYTES);
  readonly #clone = new Context();
  readonly #both = new Context();
  readonly #wait = new Context();
  readonly #part = new Context();
  readonly #end = new Context();
  readonly #tell = new Context();
  readonly #exit = new Context();
  readonly #steps: Context[] = [];
  readonly #ignored = ignoredSignals();

  spawn(spec: SpawnSpec, cgroup: number): number | undefined {
    using memory = new SpawnMemory(spec);
    using fds = new Sources(spec.fds);
    const { cwd, seal } = memory;
    const isChecked = cwd !== undefined || seal !== undefined;
    this.#prepareChild([
      syscall(SYSCALL.setsid),
      ...this.#ignored.map((signal) =>
        syscall(SYSCALL.rt_sigaction, signal, addressOf(this.#defaultAction), 0n, SIGSET_BYTES)
      ),
      ...fds.all.map((from, to) => syscall(SYSCALL.dup3, BigInt(from), BigInt(to), 0n)),
      ...cwd === undefined ? [] : [
        syscall(SYSCALL.chdir, cwd),
        this.#stat(DOT.address, this.#here),
        this.#stat(cwd, this.#there),
      ],
      ...memory.before,
      ...seal === undefined ? [] : [this.#stat(seal, this.#seal)],
      ...isChecked ? [this.#isReady.setting(), post(this.#news), wait(this.#goOn)] : [],
    ], syscall(SYSCALL.execve, memory.path, memory.argv, memory.envp));
    this.#prepareClone(cgroup);
    return this.#run(isChecked ? () => this.#isAsAsked(spec) : undefined);
  }

  /** Has the kernel write down what is at a path, which Landlock forbids nobody. */
  #stat(path: bigint, into: Memory): NativeCall {
    new Uint8Array(into.view.buffer).fill(0);
    return syscall(SYSCALL.statx, AT_FDCWD, path, 0n, STATX_INO, into.address);
  }

  #isAsAsked({ cwd, restriction }: SpawnSpec): boolean {
    if (cwd !== undefined && (inoOf(this.#there) === 0n || !isSame(this.#here, this.#there))) return false;
    return restriction === undefined || inoOf(this.#seal) !== 0n;
  }

  #prepareClone(cgroup: number) {
    for (const { view } of [this.#news, this.#gate, this.#goOn]) {
      view.setBigUint64(0, 0n, true);
    }
    for (const flag of [this.#isReady, this.#hasFailed, this.#hasEnded]) flag.clear();
    this.#pid[0] = 0;
    const { view } = this.#args;
    const u64 = (offset: number, value: bigint) => view.setBigUint64(offset, value, true);
    const flags = CLONE_VM | CLONE_VFORK | CLONE_CLEAR_SIGHAND | CLONE_INTO_CGROUP;
    u64(CLONE_ARGS.flags, flags | CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID);
    u64(CLONE_ARGS.child_tid, this.#gate.address);
    u64(CLONE_ARGS.parent_tid, addressOf(this.#pid));
    u64(CLONE_ARGS.exit_signal, SIGCHLD);
    u64(CLONE_ARGS.cgroup, BigInt(cgroup));
    const clone = syscall(SYSCALL.clone3, this.#args.address, BigInt(CLONE_ARGS.sizeof));
    this.#clone.prepare(clone, this.#both, "all");
    this.#both.prepare(post(this.#news), this.#wait, "all");
    this.#wait.prepare(wait(this.#gate), this.#part, "all");
    this.#part.prepare(this.#both.becoming(this.#end), this.#steps[0], "all");
    this.#end.prepare(this.#hasEnded.setting(), this.#tell, "all");
    this.#tell.prepare(post(this.#news), this.#exit, "all");
    this.#exit.prepare(EXIT_THREAD, undefined, "all");
  }

  #prepareChild(steps: readonly NativeCall[], execute: NativeCall) {
    const chain = [
      ...steps,
      execute,
      this.#hasFailed.setting(),
      syscall(SYSCALL.exit_group, NOT_EXECUTED_STATUS),
    ];
    while (this.#steps.length < chain.length) this.#steps.push(new Context());
    chain.forEach((call, i) => {
      const next = chain[i + 1] && this.#steps[i + 1];
      this.#steps[i]?.prepare(call, next, call === execute ? "none" : "all");
    });
  }

  /**
   * @param isAsAsked Whether the child, which then waits, has become what it was to be.
   * @returns The child's number; `undefined` if there can be none.
   */
  #run(isAsAsked: (() => boolean) | undefined): number | undefined {
    const join = this.#thread.start(this.#clone);
    while (!this.#hasNews());
    const pid = Atomics.load(this.#pid, 0);
    if (pid === 0) return this.#notCloned(join);
    let check = isAsAsked;
    let isRefused = false;
    while (!this.#hasEnded.isSet) {
      if (check && this.#isReady.isSet) {
        isRefused = !check();
        if (isRefused) Deno.kill(pid, "SIGKILL");
        check = undefined;
        libc.sem_post(this.#goOn.pointer);
      } else if (!this.#hasNews() && hasDied(pid)) {
        this.#letParentEnd(); // It may be at the gate, if the child was killed before it got past that.
        break;
      }
    }
    const errno = join();
    if (!isRefused && !this.#hasFailed.isSet) return pid;
    while (!waitIfEnded(pid));
    throw new ErrnoError(errno, isRefused ? "what comes before execve" : "execve");
  }

  /** Waits a moment for the other two. @returns Whether one of them has posted. */
  #hasNews(): boolean {
    const until = Date.now() + LOOK_MS;
    const seconds = Math.floor(until / 1_000);
    const time = new BigInt64Array([BigInt(seconds), BigInt((until - seconds * 1_000) * 1_000_000)]);
    return libc.sem_timedwait(this.#news.pointer, new Uint8Array(time.buffer)) === 0;
  }

  #letParentEnd() {
    this.#part.prepare(EXIT_THREAD, undefined, "all");
    libc.sem_post(this.#gate.pointer);
  }

  /** There is no child: it is the parent that waits at the gate. */
  #notCloned(join: () => number): undefined {
    this.#letParentEnd();
    const error = new ErrnoError(join(), "clone3");
    if (!NOT_THERE.some((name) => error.is(name))) throw error;
  }
}

/** Something that native code sets. */
class Flag {
  readonly #word = new Int32Array(1);

  get isSet(): boolean {
    return Atomics.load(this.#word, 0) !== 0;
  }

  clear(): void {
    this.#word[0] = 0;
  }

  setting(): NativeCall {
    return { function: "memcpy", args: [addressOf(this.#word), addressOf(ONE), 4n] };
  }
}

const ONE = new Int32Array([1]);

/** Whether a child has ended; it is not waited for. */
function hasDied(pid: number): boolean {
  const stat = readKernelFile(`/proc/${pid}/stat`);
  return /^[ZX]/.test(stat.slice(stat.lastIndexOf(")") + 2));
}

const DOT = new Memory(16);
DOT.view.setUint8(0, ".".charCodeAt(0));

function inoOf({ view }: Memory): bigint {
  return view.getBigUint64(STATX.ino, true);
}

function isSame(one: Memory, other: Memory): boolean {
  const device = ({ view }: Memory) =>
    `${view.getUint32(STATX.dev_major, true)}:${view.getUint32(STATX.dev_minor, true)}`;
  return inoOf(one) === inoOf(other) && device(one) === device(other);
}

function post({ address }: Memory): NativeCall {
  return { function: "sem_post", args: [address] };
}

function wait({ address }: Memory): NativeCall {
  return { function: "sem_wait", args: [address] };
}

function syscall(...args: bigint[]): NativeCall {
  return { function: "syscall", args };
}

/** The signals that this process ignores, which a program would go on to ignore. */
function ignoredSignals(): bigint[] {
  const [, mask = "0"] = /^SigIgn:\t(\w+)$/m.exec(readKernelFile("/proc/self/status")) ?? [];
  const bits = BigInt(`0x${mask}`);
  return Array.from({ length: 64 }, (_, i) => BigInt(i)).filter((bit) => bits >> bit & 1n).map((bit) =>
    bit + 1n
  );
}
