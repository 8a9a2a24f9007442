/**
 * Who may do what: root, an owner, a member of the group and a stranger try everything in the mount, and in a copy of its
 * layout in an ordinary file system. The outcomes are the same, but for what the contract says.
 */
import assert from "node:assert/strict";
import { Filed, ok, Place, rootTest, run } from "../harness.ts";

const CLIENT = new URL("matrix.py", import.meta.url).pathname;

interface Case {
  actor: string;
  operation: string;
  /** A directory, a file in one, or one of the two files beside them. */
  path: string;
  outcome: string;
}

async function attempt(top: string, side: "mount" | "copy", mode: string): Promise<Case[]> {
  const firstId = 100_000 + Deno.pid % 100_000 * 20;
  const lines = await ok(run(["python3", CLIENT, top, side, String(firstId), ...mode.split(" ")]));
  return lines.trimEnd().split("\n").map((line) => {
    const [[actor, operation, path], outcome] = JSON.parse(line);
    return { actor, operation, path, outcome };
  });
}

const isLog = (path: string) => /^(active|complete|failed)\/\w/.test(path);

/** What an allowed operation does instead in the mount, and why. The first that applies counts. */
const EXCEPTIONS: { why: string; applies(by: Case): boolean; outcome(there: string): string }[] = [
  {
    why: "the mount keeps no extended attributes",
    applies: ({ operation }) => operation.includes("attribute"),
    outcome: () => "EOPNOTSUPP",
  },
  {
    why: "there are no directories, links or devices to be made or removed",
    applies: ({ operation }) => ["mkdir", "rmdir", "mkfifo", "symlink", "link"].includes(operation),
    outcome: () => "EPERM",
  },
  {
    why: "jobs are made in pending/",
    applies: ({ operation, path }) => ["create", "mknod"].includes(operation) && path !== "pending",
    outcome: () => "EPERM",
  },
  {
    why: "a job that runs keeps its id",
    applies: ({ operation, path }) => operation.startsWith("rename") && path === "active",
    outcome: () => "EBUSY",
  },
  {
    why: "a command shows the write bits again",
    applies: ({ operation }) => operation === "move to pending",
    outcome: (there) => there.replace("440", "640"),
  },
  {
    why: "a log shows no write bits",
    applies: ({ operation, path }) =>
      path === "active" && operation === "move to failed" || operation === "move a job to failed",
    outcome: (there) => there.replace("640", "440"),
  },
  {
    why: "the other moves mean nothing",
    applies: ({ operation }) => operation.startsWith("move"),
    outcome: () => "EPERM",
  },
  {
    why: "nobody writes to a log, or to new-id",
    applies: ({ operation, path }) =>
      (isLog(path) || path === "new-id") &&
      ["append", "read and write", "open or create", "truncate", "open and truncate"].includes(operation),
    outcome: () => "EACCES",
  },
  {
    why: "a log shows no write bits",
    applies: ({ operation, path }) => isLog(path) && operation === "chmod",
    outcome: (there) => there.replace("600", "400"),
  },
];

function expected(there: Case): string {
  if (!there.outcome.startsWith("ok") && there.outcome !== "ENODATA") return there.outcome;
  return EXCEPTIONS.find(({ applies }) => applies(there))?.outcome(there.outcome) ?? there.outcome;
}

for (const mode of ["755", "775", "1777 root", "1775", "2775", "700"]) {
  rootTest(`users may do in directories of mode ${mode} what they may do in other file systems`, async () => {
    await using place = await Place.make();
    await Deno.chmod(place.path, 0o755);
    // Its state in memory: of the thousands of changes, nothing has to be kept.
    await ok(run(["mount", "--mkdir", "-t", "tmpfs", "tmpfs", `${place.path}/state`]));
    await using filed = await Filed.start(place, { args: ["--state", `${place.path}/state/filed.db`] });
    const there = await attempt(`${place.path}/copy`, "copy", mode);
    const here = await attempt(filed.mount, "mount", mode);
    assert.deepEqual(here, there.map((by) => ({ ...by, outcome: expected(by) })));
  });
}
