import { CMemory } from "../c_memory.ts";
import { ErrnoError } from "../errno.ts";
import type { Credentials } from "./credentials.ts";
import type { Restriction } from "./restriction.ts";
import type { Rlimit } from "../processes/rlimit.ts";

/** A program to start, and all that its process is to have. */
export interface SpawnSpec {
  /** The absolute path of the program. */
  path: string;
  /** Its arguments, with its own name first. */
  args: readonly (string | Uint8Array)[];
  /** Its environment, each as `NAME=VALUE`. */
  env: readonly (string | Uint8Array)[];
  /**
   * It begins in the first of these directories that it can enter, as its user; in `/` if it can enter none.
   * Only the child waits for a directory that does not answer.
   */
  cwd: readonly string[];
  /** Our descriptors that it gets as its 0, 1, 2 and so on. It gets no other. */
  fds: readonly number[];
  restriction: Restriction | undefined;
  /** By how much it is nicer than this process, 0 to 19. */
  nice: number;
  /** The limits of each of its processes. None is higher than ours. */
  rlimits: readonly Rlimit[];
  /** Whom it becomes; `undefined`: it stays who we are. */
  credentials: Credentials | undefined;
  /** "limited": its cgroup limits it. */
  memory?: "limited" | undefined;
}

/** For a program of the system that works for us: it runs as we do, but for what the caller adds. */
export const AS_WE_ARE = {
  env: [],
  cwd: [],
  restriction: undefined,
  nice: 0,
  rlimits: [],
  credentials: undefined,
} as const satisfies Partial<SpawnSpec>;

/** A spec as C wants it; the addresses are right until it is disposed of. */
export class SpawnMemory implements Disposable {
  readonly path: bigint;
  readonly argv: bigint;
  readonly envp: bigint;
  /** In the order of the spec. */
  readonly cwd: readonly bigint[];
  readonly root: bigint;
  /** Of a restriction: the path of its proof, and the name that it gets where nothing is restricted. */
  readonly proof: { path: bigint; broken: bigint };
  /** A struct rlimit, getrlimit(2), for each of the spec's. */
  readonly rlimits: readonly bigint[];
  /** The groups of the credentials, gid_t each. */
  readonly groups: bigint;
  /** The uid of the credentials in digits, and their number. */
  readonly uidText: { address: bigint; length: number };
  readonly loginuid: bigint;
  readonly #memory: CMemory;

  /** @throws {ErrnoError} EINVAL for a NUL in a string, ENOMEM. */
  constructor({ path, args, env, cwd, restriction, rlimits, credentials }: SpawnSpec) {
    const strings = {
      path: encode(path),
      root: encode("/"),
      loginuid: encode("/proc/self/loginuid"),
      uid: encode(String(credentials?.uid ?? "")),
      proof: encode(restriction?.proof ?? ""),
      broken: encode(`${restriction?.proof}-broken`),
      cwd: cwd.map(encode),
      args: args.map(encode),
      env: env.map(encode),
    };
    const limits = rlimits.map(({ soft, hard }) => BigUint64Array.of(BigInt(soft), BigInt(hard)));
    const groups = Uint32Array.from(credentials?.groups ?? []);
    const lists = new BigUint64Array(args.length + 1 + env.length + 1);
    const memory = this.#memory = new CMemory(
      [lists, ...limits, groups].reduce((sum, { byteLength }) => sum + byteLength, 0) +
        Object.values(strings).flat().reduce((sum, { length }) => sum + length + NUL_BYTES, 0),
    );
    // What is aligned comes first. The lists are filled in once all strings have an address.
    this.argv = memory.append(lists);
    this.envp = this.argv + BigInt((args.length + 1) * lists.BYTES_PER_ELEMENT);
    this.rlimits = limits.map((limit) => memory.append(limit));
    this.groups = memory.append(groups);
    const add = (string: Uint8Array) => memory.appendString(string);
    this.path = add(strings.path);
    this.root = add(strings.root);
    this.loginuid = add(strings.loginuid);
    this.uidText = { address: add(strings.uid), length: strings.uid.length };
    this.proof = { path: add(strings.proof), broken: add(strings.broken) };
    this.cwd = strings.cwd.map(add);
    const addresses = [...strings.args.map(add), 0n, ...strings.env.map(add), 0n];
    new BigUint64Array(memory.buffer, 0, lists.length).set(addresses);
  }

  [Symbol.dispose](): void {
    this.#memory[Symbol.dispose]();
  }
}

const ENCODER = new TextEncoder();
const NUL_BYTES = 1;

/** @throws {ErrnoError} EINVAL for a NUL. */
function encode(text: string | Uint8Array): Uint8Array {
  const bytes = typeof text === "string" ? ENCODER.encode(text) : text;
  if (bytes.includes(0)) throw new ErrnoError("EINVAL", "NUL in a string for C");
  return bytes;
}
