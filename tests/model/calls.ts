import fc from "fast-check";

export type Directory = "pending" | "active" | "complete" | "failed";

/** A file of the mount. */
export interface Path {
  directory: Directory;
  name: string;
}

export type Flag = "O_RDONLY" | "O_WRONLY" | "O_RDWR" | "O_CREAT" | "O_EXCL" | "O_TRUNC" | "O_APPEND";

/** A system call of one of the clients; `slot` is one of its descriptors, or picks one of all that are open. */
export type Call =
  & { client: number }
  & (
    | { call: "open"; slot: number; path: Path; flags: Flag[]; mode: number }
    | { call: "close"; slot: number }
    | { call: "dup"; slot: number; to: number }
    | { call: "write"; slot: number; bytes: string; times: number }
    | { call: "pwrite"; slot: number; bytes: string; times: number; offset: number }
    | { call: "pread"; slot: number; size: number; offset: number }
    | { call: "ftruncate"; slot: number; size: number }
    | { call: "fsync"; slot: number }
    | { call: "fstat"; slot: number }
    | { call: "fchmod"; slot: number; mode: number }
    | { call: "truncate"; path: Path; size: number }
    | { call: "stat"; path: Path }
    | { call: "chmod"; path: Path; mode: number }
    | { call: "chown"; path: Path; uid: number; gid: number }
    /** Seconds since the epoch. */
    | { call: "utimens"; path: Path; atime: number; mtime: number }
    | { call: "unlink"; path: Path }
    | { call: "mkdir"; path: Path }
    | { call: "link"; path: Path; to: Path }
    | { call: "rename"; path: Path; to: Path; flags: number }
    | { call: "read"; path: Path }
    /** A listing, during which names are removed that it has not come to yet (ahead), or that it has (behind). */
    | { call: "scan"; path: { directory: Directory }; ahead: string[]; behind: string[] }
  );

export const CLIENTS = 3;
const SLOTS = 3;
export const RENAME_NOREPLACE = 1;

/** Names of jobs that every run finds there. */
export const PENDING = ["b"];
export const FAILED = ["a", "f"];
export const COMPLETE = ["c"];
const NAMES = [...PENDING, ...FAILED, ...COMPLETE, "d", ".d", "é~"];
const ODD_NAMES = ["\u0001", "\u0085", "\udcff", "x".repeat(256)];

const directory = fc.constantFrom<Directory>("pending", "pending", "pending", "failed", "complete", "active");
const name = fc.oneof(
  { weight: 40, arbitrary: fc.constantFrom(...NAMES) },
  { weight: 1, arbitrary: fc.constantFrom(...ODD_NAMES) },
);
const pathIn = (directory: Directory, names: string[]) =>
  fc.record({ directory: fc.constant(directory), name: fc.constantFrom(...names) });
/** Mostly where there is, or may be, a file. */
const path = fc.oneof(
  { weight: 6, arbitrary: pathIn("pending", NAMES) },
  { weight: 2, arbitrary: pathIn("failed", FAILED) },
  { weight: 1, arbitrary: pathIn("complete", COMPLETE) },
  { weight: 2, arbitrary: fc.record({ directory, name }) },
);
const slot = fc.nat(SLOTS - 1);
/** Around a page, and around a piece of a long content, or the longest. */
const offset = fc.oneof(
  { weight: 6, arbitrary: fc.nat(12) },
  { weight: 2, arbitrary: fc.integer({ min: 4_090, max: 4_100 }) },
  { weight: 1, arbitrary: fc.integer({ min: 65_530, max: 65_540 }) },
  { weight: 1, arbitrary: fc.constantFrom(131_072, 16_777_217) },
);
const bytes = fc.string({ unit: fc.constantFrom(..."ab\n\x01\xfe"), maxLength: 8 });
/** How often the bytes are repeated. */
const times = fc.oneof(
  { weight: 12, arbitrary: fc.constant(1) },
  { weight: 1, arbitrary: fc.constantFrom(1_024, 3_000, 65_536) },
);
const mode = fc.constantFrom(0o600, 0o644, 0o666, 0o755, 0o444, 0o4711, 0o000);
const seconds = [0, 1_000_000_000.5, 1_500_000_000, 4_000_000_000];
const flags = fc.record({
  access: fc.constantFrom<Flag>("O_RDONLY", "O_WRONLY", "O_RDWR"),
  rest: fc.subarray<Flag>(["O_CREAT", "O_EXCL", "O_TRUNC", "O_APPEND"]),
}).map(({ access, rest }) => [access, ...rest]);

/** The arguments of each call. */
const ARGUMENTS: { [Name in Call["call"]]: Record<string, fc.Arbitrary<unknown>> } = {
  open: { slot, path, flags, mode },
  close: { slot },
  dup: { slot, to: slot },
  write: { slot, bytes, times },
  pwrite: { slot, bytes, times, offset },
  pread: { slot, size: fc.constantFrom(1, 10, 10_000), offset },
  ftruncate: { slot, size: offset },
  fsync: { slot },
  fstat: { slot },
  fchmod: { slot, mode },
  truncate: { path, size: offset },
  stat: { path },
  chmod: { path, mode },
  chown: { path, uid: fc.constantFrom(0, 65_534), gid: fc.constantFrom(0, 65_534) },
  utimens: { path, atime: fc.constantFrom(...seconds), mtime: fc.constantFrom(...seconds) },
  unlink: { path },
  mkdir: { path },
  link: { path, to: path },
  rename: { path, to: path, flags: fc.constantFrom(0, 0, 0, RENAME_NOREPLACE) },
  read: { path },
  scan: { path: fc.record({ directory }), ahead: fc.subarray(NAMES), behind: fc.subarray(NAMES) },
};

/** How often each comes; those that are not here, 2. */
const WEIGHTS: Partial<Record<Call["call"], number>> = {
  ...{ open: 12, close: 5, write: 8, rename: 8, unlink: 3, pread: 4, stat: 4, read: 4, mkdir: 1, link: 1 },
  chown: Deno.uid() === 0 ? 2 : 0, // Only root may.
};

/** Any call, of any client. */
export const anyCall = fc.oneof(
  ...Object.entries(ARGUMENTS).map(([call, rest]) => ({
    weight: WEIGHTS[call as Call["call"]] ?? 2,
    arbitrary: fc.record({ client: fc.nat(CLIENTS - 1), call: fc.constant(call), ...rest }),
  })),
  // mv DIRECTORY/NAME OTHER/
  {
    weight: 8,
    arbitrary: fc.record({ client: fc.nat(CLIENTS - 1), path, to: directory }).map((
      { client, path, to },
    ) => ({
      ...{ client, call: "rename", path, to: { directory: to, name: path.name }, flags: 0 },
    })),
  },
) as fc.Arbitrary<Call>;
