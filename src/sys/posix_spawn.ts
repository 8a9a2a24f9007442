import { addressOf } from "./c_memory.ts";
import { ErrnoError } from "./errno.ts";
import { LIBC } from "./libc.ts";
import { calling, NativeThread } from "./native_thread.ts";
import { HIGHEST_FD, Sources } from "./sources.ts";
import { SpawnMemory, type SpawnSpec } from "./spawn_memory.ts";
import type { Started } from "./started.ts";

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

/**
 * Starts a program in a session of its own, with no signal blocked or ignored, and returns once it runs. Where that is restricted,
 * so is the thread that starts it, which ends right after.
 * @throws {ErrnoError} As posix_spawn(3).
 */
export function posixSpawn(spec: SpawnSpec): Started {
  using memory = new SpawnMemory(spec);
  using fds = new Sources(spec.fds);
  using actions = new FileActions();
  fds.all.forEach((from, to) => actions.duplicate(from, to));
  if (memory.cwd !== undefined) actions.changeDirectory(memory.cwd);
  if (memory.seal !== undefined) actions.require(memory.seal.path);
  const pid = memory.before.length === 0 ? spawnHere(memory, actions) : spawnAfter(memory, actions);
  return { pid, failure: () => undefined };
}

function spawnHere({ path, argv, envp }: SpawnMemory, { buffer }: FileActions): number {
  const pid = new Int32Array(1);
  const pointers = [path, argv, envp].map(Deno.UnsafePointer.create);
  const errno = libc.posix_spawn(pid, pointers[0]!, buffer, ATTRIBUTES, pointers[1]!, pointers[2]!);
  if (errno !== 0) throw new ErrnoError(errno, "posix_spawn");
  return pid[0] ?? 0;
}

let thread: NativeThread | undefined;

/** Spawns on a thread that first makes calls which concern it and what it starts. */
function spawnAfter({ path, argv, envp, before, seal }: SpawnMemory, { buffer }: FileActions): number {
  const pid = new Int32Array(1);
  thread ??= new NativeThread();
  const calls = [...before, ...seal ? [seal.breaking] : []];
  const errno = thread.run([
    ...calls.map(calling),
    {
      function: "posix_spawn",
      args: [addressOf(pid), path, addressOf(buffer), addressOf(ATTRIBUTES), argv, envp],
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
