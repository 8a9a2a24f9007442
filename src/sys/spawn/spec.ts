import { type Block, CMemory, Strings } from "../c_memory.ts";
import type { Credentials } from "./credentials.ts";
import type { Restriction } from "./restriction.ts";
import type { Rlimit } from "../processes/rlimit.ts";

/** What to start, and as what. */
export interface SpawnSpec {
  /** The absolute path of the program. */
  path: string;
  /** Its arguments, with its own name first. */
  args: readonly (string | Uint8Array)[];
  /** Its environment, each as `NAME=VALUE`. */
  env: readonly (string | Uint8Array)[];
  /**
   * Where it begins: the first of these directories that it can enter as whom it is then; at `/` if there is none. A
   * directory that does not answer keeps waiting nobody but the child.
   */
  cwd: readonly string[];
  /** Our descriptors that it gets as its 0, 1, 2 and so on. It gets no other. */
  fds: readonly number[];
  restriction: Restriction | undefined;
  /** By how much it is nicer than this process, 0 to 19. */
  nice: number;
  /** What each of its processes is limited to. None is higher than ours. */
  rlimits: readonly Rlimit[];
  /** Whom it becomes; `undefined`: it stays who we are. */
  credentials: Credentials | undefined;
  /** "limited": its cgroup lets it have so much, and no more. */
  memory?: "limited" | undefined;
}

/** What a spawn hands to the kernel, laid out as C wants it; the addresses are right until it is disposed of. */
export class SpawnMemory implements Disposable {
  readonly path: bigint;
  readonly argv: bigint;
  readonly envp: bigint;
  /** In the order of the spec. */
  readonly cwd: readonly bigint[];
  readonly root: bigint;
  /** The path of the restriction's seal, and the name that it gets where nothing is restricted. */
  readonly seal: { path: bigint; broken: bigint } | undefined;
  /** A struct rlimit, getrlimit(2), for each of the spec's. */
  readonly rlimits: readonly bigint[];
  /** The groups of the credentials, gid_t each. */
  readonly groups: bigint;
  /** The uid of the credentials in digits, and their number. */
  readonly uidText: { address: bigint; length: number };
  readonly loginuid: bigint;
  readonly #block: Block;
  readonly #numbers: CMemory;

  /** @throws {ErrnoError} EINVAL for a NUL in a string, ENOMEM. */
  constructor({ path, args, env, cwd, restriction, rlimits, credentials }: SpawnSpec) {
    const strings = new Strings();
    const add = (text: string | Uint8Array) => strings.add(text);
    const pathAt = add(path);
    const argvAt = args.map(add);
    const envpAt = env.map(add);
    const cwdAt = cwd.map(add);
    const rootAt = add("/");
    const uid = String(credentials?.uid ?? "");
    const [uidAt, loginuidAt] = [add(uid), add("/proc/self/loginuid")];
    const sealAt = restriction && [add(restriction.seal), add(`${restriction.seal}-broken`)] as const;
    const block = this.#block = strings.place([argvAt, envpAt]);
    this.path = block.string(pathAt);
    this.argv = block.list(0);
    this.envp = block.list(1);
    this.cwd = cwdAt.map((at) => block.string(at));
    this.root = block.string(rootAt);
    this.uidText = { address: block.string(uidAt), length: uid.length };
    this.loginuid = block.string(loginuidAt);
    this.seal = sealAt && { path: block.string(sealAt[0]), broken: block.string(sealAt[1]) };
    const groups = credentials?.groups ?? [];
    this.#numbers = new CMemory(rlimits.length * RLIMIT_BYTES + Math.max(1, groups.length) * GID_BYTES);
    const { address, buffer } = this.#numbers;
    new BigUint64Array(buffer, 0, rlimits.length * 2).set(
      rlimits.flatMap(({ soft, hard }) => [BigInt(soft), BigInt(hard)]),
    );
    new Uint32Array(buffer, rlimits.length * RLIMIT_BYTES, groups.length).set(groups);
    this.rlimits = rlimits.map((_, i) => address + BigInt(i * RLIMIT_BYTES));
    this.groups = address + BigInt(rlimits.length * RLIMIT_BYTES);
  }

  [Symbol.dispose](): void {
    this.#block[Symbol.dispose]();
    this.#numbers[Symbol.dispose]();
  }
}

const RLIMIT_BYTES = 16; // rlim_cur and rlim_max, 8 bytes each
const GID_BYTES = 4;
