import { type Block, Strings } from "./c_memory.ts";
import { niceness } from "./process.ts";
import { breakingSeal, restricting, type Restriction } from "./restriction.ts";
import { type SystemCall, systemCall } from "./system_call.ts";

// sys/resource.h
const PRIO_PROCESS = 0n;
const NICEST = 19;

/** What to start, and as what. */
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
  /** "limited": its cgroup lets it have so much, and no more. */
  memory?: "limited" | undefined;
}

/** What a spawn hands to the kernel, laid out as C wants it; the addresses are right until it is disposed of. */
export class SpawnMemory implements Disposable {
  readonly path: bigint;
  readonly argv: bigint;
  readonly envp: bigint;
  readonly cwd: bigint | undefined;
  /** What the process, or the thread that starts it, calls to become as nice and as restricted as it is to be. */
  readonly before: readonly SystemCall[];
  /** The path of the restriction's seal, and the call after `before` that fails for who is restricted. */
  readonly seal: { path: bigint; breaking: SystemCall } | undefined;
  readonly #block: Block;

  /** @throws {ErrnoError} EINVAL for a NUL in a string. */
  constructor({ path, args, env, cwd, restriction, nice }: SpawnSpec) {
    const strings = new Strings();
    const pathAt = strings.add(path);
    const argvAt = args.map((text) => strings.add(text));
    const envpAt = env.map((text) => strings.add(text));
    const cwdAt = cwd === undefined ? undefined : strings.add(cwd);
    const sealAt = restriction &&
      { seal: strings.add(restriction.seal), broken: strings.add(`${restriction.seal}-broken`) };
    const block = this.#block = strings.place([argvAt, envpAt]);
    this.path = block.string(pathAt);
    this.argv = block.list(0);
    this.envp = block.list(1);
    this.cwd = cwdAt === undefined ? undefined : block.string(cwdAt);
    this.before = [
      ...nice > 0 ? [systemCall("setpriority", PRIO_PROCESS, 0n, nicer(nice))] : [],
      ...restriction ? restricting(restriction.ruleset) : [],
    ];
    if (sealAt) {
      const [path, broken] = [block.string(sealAt.seal), block.string(sealAt.broken)];
      this.seal = { path, breaking: breakingSeal(path, broken) };
    }
  }

  [Symbol.dispose](): void {
    this.#block[Symbol.dispose]();
  }
}

/** A niceness for setpriority(2). */
function nicer(by: number): bigint {
  return BigInt.asUintN(64, BigInt(Math.min(niceness() + by, NICEST)));
}
