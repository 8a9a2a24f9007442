import assert from "node:assert/strict";
import { ErrnoError, type ErrnoName } from "../sys/errno.ts";
import { obstacleOf, type Point } from "./shortage.ts";

const FILED: Point = { in: "filed", maxMemoryMb: 0 };
const CHILD: Point = { in: "child", maxMemoryMb: 0 };
const THERE: Point = { ...CHILD, directory: "/srv/x" };
const SCRIPT: Point = { ...CHILD, executes: "script", interpreter: "/bin/pyhton3" };
const PROGRAM: Point = { ...CHILD, executes: "program", interpreter: "/lib/ld-none.so" };

type Expected =
  | ["put-off", "all" | "user", missing: string]
  | ["not-started", "final" | "again", reason: string];

const CASES: [call: string, ErrnoName, Point, Expected][] = [
  ["pipe2", "EMFILE", FILED, ["put-off", "all", "file descriptors"]],
  ["open /sys/fs/cgroup/x", "EMFILE", FILED, ["put-off", "all", "file descriptors"]],
  ["getpwuid_r", "ENFILE", FILED, ["put-off", "all", "open files of the whole system"]],
  ["clone3", "EAGAIN", FILED, ["put-off", "all", "processes and threads"]],
  ["clone3", "ENOMEM", FILED, ["put-off", "all", "memory"]],
  ["clone3", "ENOMEM", { in: "filed", maxMemoryMb: 64 }, ["put-off", "all", "memory"]],
  ["mkdirat", "ENOSPC", FILED, ["put-off", "all", "room for a directory"]],
  ["fchown", "EDQUOT", FILED, ["put-off", "user", "quota of the job's user"]],
  ["clone3", "ENODEV", FILED, ["put-off", "all", "a directory that filed had made and somebody removed"]],
  ["mkdirat", "ENOENT", FILED, ["put-off", "all", "a directory that filed had made and somebody removed"]],
  // One user's limits are nothing to the others.
  ["execve of a child", "EAGAIN", CHILD, ["put-off", "user", "processes and threads of the job's user"]],
  ["setresuid of a child", "EAGAIN", CHILD, ["put-off", "user", "processes and threads of the job's user"]],
  ["user database", "ETIMEDOUT", FILED, ["put-off", "user", "an answer of the user database"]],
  ["keyctl of a child", "EDQUOT", CHILD, ["put-off", "user", "quota of the job's user"]],
  ["execve of a child", "ENOMEM", CHILD, ["put-off", "all", "memory"]],
  // A job that can't have as much as its shell needs must come to its end.
  ["execve of a child", "ENOMEM", { in: "child", maxMemoryMb: 1 }, [
    "not-started",
    "again",
    "cannot allocate memory (max_memory_mb: 1 MiB)",
  ]],
  ["faccessat of a child", "ENOENT", CHILD, [
    "put-off",
    "all",
    "a directory that filed had made and somebody removed",
  ]],
  ["execve of a child", "E2BIG", CHILD, ["not-started", "final", "argument list too long"]],
  ["NUL in a string for C", "EINVAL", FILED, ["not-started", "final", "invalid argument"]],
  ["execve of a child", "ENOENT", CHILD, ["not-started", "final", "no such file or directory"]],
  ["execve of a child", "EACCES", CHILD, ["not-started", "final", "permission denied"]],
  ["chdir of a child", "ENOENT", CHILD, ["not-started", "again", "no such file or directory"]],
  ["write", "EFBIG", FILED, ["put-off", "all", "the right to write files as large as a job's content"]],
  // Where a job was to start: what its user can't enter stays so, a server may be there again.
  ["chdir of a child", "ENOENT", THERE, ["not-started", "final", "/srv/x: no such file or directory"]],
  ["chdir of a child", "ENOTDIR", THERE, ["not-started", "final", "/srv/x: not a directory"]],
  ["chdir of a child", "EACCES", THERE, ["not-started", "final", "/srv/x: permission denied"]],
  ["chdir of a child", "EIO", THERE, ["not-started", "again", "/srv/x: input/output error"]],
  // What a script names is named.
  ["execve of a child", "ENOENT", SCRIPT, [
    "not-started",
    "final",
    "/bin/pyhton3: no such file or directory",
  ]],
  ["execve of a child", "EACCES", SCRIPT, ["not-started", "final", "/bin/pyhton3: permission denied"]],
  ["execve of a child", "ELOOP", SCRIPT, [
    "not-started",
    "final",
    "/bin/pyhton3: too many levels of symbolic links",
  ]],
  ["execve of a child", "ENOEXEC", SCRIPT, ["not-started", "final", "/bin/pyhton3: exec format error"]],
  ["execve of a child", "ETXTBSY", SCRIPT, ["not-started", "again", "/bin/pyhton3: text file busy"]],
  ["execve of a child", "ENOEXEC", { ...SCRIPT, interpreter: undefined }, [
    "not-started",
    "final",
    "its #! line: exec format error",
  ]],
  ["execve of a child", "EACCES", { ...SCRIPT, isSandboxed: true }, [
    "not-started",
    "final",
    "/bin/pyhton3: permission denied (in the sandbox it takes a rule, --exec)",
  ]],
  ["execve of a child", "ENOEXEC", PROGRAM, ["not-started", "final", "the program: exec format error"]],
  ["execve of a child", "ENOENT", PROGRAM, [
    "not-started",
    "final",
    "/lib/ld-none.so: no such file or directory",
  ]],
  ["execve of a child", "ENOMEM", SCRIPT, ["put-off", "all", "memory"]],
  ["setresuid of a child", "EPERM", CHILD, ["not-started", "again", "operation not permitted"]],
];

for (const [call, errno, point, expected] of CASES) {
  Deno.test(`obstacleOf() ${errno} of ${call}, in ${point.in}, ${point.maxMemoryMb} MiB`, () => {
    const obstacle = obstacleOf(new ErrnoError(errno, call), point);
    const found = obstacle.kind === "put-off"
      ? [obstacle.kind, obstacle.shortage.of, obstacle.shortage.missing]
      : [obstacle.kind, obstacle.isFinal ? "final" : "again", obstacle.reason];
    assert.deepEqual(found, expected);
  });
}

Deno.test("obstacleOf() names the call and its error", () => {
  const obstacle = obstacleOf(new ErrnoError("EMFILE", "pipe2"), FILED);
  assert.equal(obstacle.kind === "put-off" && obstacle.shortage.error, "pipe2: EMFILE");
});
