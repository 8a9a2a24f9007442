import { ErrnoError } from "./errno.ts";
import { LIBC } from "./libc.ts";
import { addressOf, type Block, Strings } from "./c_memory.ts";
import type { NativeCall } from "./context.ts";
import { NativeThread } from "./native_thread.ts";
import { restricting, type Restriction } from "./restriction.ts";
import { HIGHEST_FD, Sources } from "./sources.ts";

const { symbols: libc } = Deno.dlopen(LIBC, {
  posix_spawn: {
    parameters: ["buffer", "pointer", "buffer", "buffer", "pointer", "pointer"],
    result: "i32",
  },
  posix_spawn_file_actions_init: { parameters: ["buffer"], result: "i32" },
  posix_spawn_file_actions_destroy: { parameters: ["buffer"], result: "i32" },
  posix_spawn_file_actions_adddup2: { parameters: ["buffer", "i32", "i32"], result: "i32" },
  posix_spawn_file_actions_addopen: {
    parameters: ["buffer", "i32", "pointer", "i32", "u32"],
    result: "i32",
  },
  posix_spawn_file_actions_addchdir_np: { parameters: ["buffer", "pointer"], result: "i32" },
  posix_spawnattr_init: { parameters: ["buffer"], result: "i32" },
  posix_spawnattr_setflags: { parameters: ["buffer", "i16"], result: "i32" },
  posix_spawnattr_setsigdefault: { parameters: ["buffer", "buffer"], result: "i32" },
  posix_spawnattr_setsigmask: { parameters: ["buffer", "buffer"], result: "i32" },
});

const FILE_ACTIONS_BYTES = 128; // posix_spawn_file_actions_t: 80 bytes
const ATTRIBUTES_BYTES = 512; // posix_spawnattr_t: 336 bytes
const SIGSET_BYTES = 128;
// spawn.h
const POSIX_SPAWN_SETSIGDEF = 0x04;
const POSIX_SPAWN_SETSIGMASK = 0x08;
const POSIX_SPAWN_SETSID = 0x80;
// fcntl.h
const O_PATH = 0o10000000;
const O_CLOEXEC = 0o2000000;
export interface SpawnSpec {
  /** The absolute path of the program. */
  path: string;
  /** Its arguments, with its own name first. */
  args: readonly (string | Uint8Array)[];
  /** Its environment, each as `NAME=VALUE`. */
  env: readonly (string | Uint8Array)[];
  /** `undefined`: ours. */
  cwd: string | undefined;
  /** Our descriptors that it gets as its 0, 1, 2 and so on, and no others but those that are not close-on-exec. */
  fds: readonly number[];
  restriction: Restriction | undefined;
  /** By how much it is nicer than this process, 0 to 19. */
  nice: number;
}

/**
 * Starts a program in a session of its own, with no signal blocked or ignored, and returns once it runs.
 * @returns Its process number; the caller waits for it.
 * @throws {ErrnoError} As posix_spawn(3).
 */
export function spawn(spec: SpawnSpec): number {
  const strings = new Strings();
  const path = strings.add(spec.path);
  const argv = spec.args.map((text) => strings.add(text));
  const envp = spec.env.map((text) => strings.add(text));
  const cwd = spec.cwd === undefined ? undefined : strings.add(spec.cwd);
  const seal = spec.restriction && strings.add(spec.restriction.seal);
  const broken = spec.restriction && strings.add(`${spec.restriction.seal}-broken`);
  const block = strings.place([argv, envp]);
  using fds = new Sources(spec.fds);
  using actions = new FileActions();
  fds.all.forEach((from, to) => actions.duplicate(from, to));
  if (cwd !== undefined) actions.changeDirectory(block.string(cwd));
  if (seal !== undefined) actions.require(block.string(seal));
  inUse.add(block);
  try {
    const call = {
      path: block.string(path),
      argv: block.list(0),
      envp: block.list(1),
      actions: actions.buffer,
    };
    const before = [
      ...spec.nice > 0 ? [{ function: "nice", args: [BigInt(spec.nice)] } as const] : [],
      ...spec.restriction && seal !== undefined && broken !== undefined
        ? restricting(spec.restriction.ruleset, block.string(seal), block.string(broken))
        : [],
    ];
    return before.length === 0 ? spawnHere(call) : spawnAfter(before, call);
  } finally {
    inUse.delete(block);
  }
}

/** Keeps from the garbage collector what is reached by its address only. */
const inUse = new Set<Block>();

interface SpawnCall {
  path: bigint;
  argv: bigint;
  envp: bigint;
  actions: Uint8Array<ArrayBuffer>;
}

function spawnHere({ path, argv, envp, actions }: SpawnCall): number {
  const pid = new Int32Array(1);
  const pointers = [path, argv, envp].map(Deno.UnsafePointer.create);
  const errno = libc.posix_spawn(pid, pointers[0]!, actions, ATTRIBUTES, pointers[1]!, pointers[2]!);
  if (errno !== 0) throw new ErrnoError(errno, "posix_spawn");
  return pid[0] ?? 0;
}

let thread: NativeThread | undefined;

/** Spawns on a thread that first makes calls which concern it and what it starts. */
function spawnAfter(before: readonly NativeCall[], { path, argv, envp, actions }: SpawnCall): number {
  const pid = new Int32Array(1);
  thread ??= new NativeThread();
  const errno = thread.run([
    ...before,
    {
      function: "posix_spawn",
      args: [addressOf(pid), path, addressOf(actions), addressOf(ATTRIBUTES), argv, envp],
    },
  ]);
  if (pid[0] === 0) throw new ErrnoError(errno, "posix_spawn on a thread of its own");
  return pid[0] ?? 0;
}

const ATTRIBUTES = makeAttributes();

function makeAttributes(): Uint8Array<ArrayBuffer> {
  const attributes = new Uint8Array(ATTRIBUTES_BYTES);
  libc.posix_spawnattr_init(attributes);
  libc.posix_spawnattr_setflags(
    attributes,
    POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF,
  );
  libc.posix_spawnattr_setsigdefault(attributes, new Uint8Array(SIGSET_BYTES).fill(0xff));
  libc.posix_spawnattr_setsigmask(attributes, new Uint8Array(SIGSET_BYTES));
  return attributes;
}

/** What a process does between its start and its program. */
class FileActions implements Disposable {
  readonly buffer = new Uint8Array(new ArrayBuffer(FILE_ACTIONS_BYTES));

  constructor() {
    libc.posix_spawn_file_actions_init(this.buffer);
  }

  duplicate(from: number, to: number): void {
    this.#added(libc.posix_spawn_file_actions_adddup2(this.buffer, from, to), "adddup2");
  }

  changeDirectory(path: bigint): void {
    const pointer = Deno.UnsafePointer.create(path);
    this.#added(libc.posix_spawn_file_actions_addchdir_np(this.buffer, pointer), "addchdir_np");
  }

  /** The program is not started where there is no `path`. Landlock has no say in this kind of open. */
  require(path: bigint): void {
    const pointer = Deno.UnsafePointer.create(path);
    const flags = O_PATH | O_CLOEXEC;
    this.#added(libc.posix_spawn_file_actions_addopen(this.buffer, HIGHEST_FD, pointer, flags, 0), "addopen");
  }

  [Symbol.dispose](): void {
    libc.posix_spawn_file_actions_destroy(this.buffer);
  }

  #added(errno: number, what: string) {
    if (errno !== 0) throw new ErrnoError(errno, `posix_spawn_file_actions_${what}`);
  }
}
