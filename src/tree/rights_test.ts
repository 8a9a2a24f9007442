import assert from "node:assert/strict";
import { ErrnoError } from "../fuse/mod.ts";
import { requireRight } from "./rights.ts";

const [ROOT, ANN, BOB] = [0, 1, 2];
const MODE = { mode: 0o644 };
const TIMES = { atime: 1, mtime: 1 };
const NOW = { atime: "now", mtime: "now" } as const;
const SIZE = { sizeBytes: 0 };

/** Who, in which mode of ANN's job, what, and the errno. */
const CASES = [
  [ANN, 0o600, MODE, undefined],
  [BOB, 0o666, MODE, "EPERM"],
  [ROOT, 0o600, MODE, undefined],
  [ANN, 0o600, { uid: ANN, gid: 7 }, undefined],
  [ANN, 0o600, { uid: BOB }, "EPERM"],
  [BOB, 0o666, { uid: BOB }, "EPERM"],
  [BOB, 0o666, { gid: BOB }, "EPERM"],
  [ROOT, 0o600, { uid: BOB }, undefined],
  [ANN, 0o400, TIMES, undefined],
  [BOB, 0o666, TIMES, "EPERM"],
  [ANN, 0o400, NOW, undefined],
  [BOB, 0o644, NOW, "EACCES"],
  [BOB, 0o646, NOW, undefined],
  [BOB, 0o664, NOW, undefined],
  [ANN, 0o600, SIZE, undefined],
  [ANN, 0o400, SIZE, "EACCES"],
  [BOB, 0o644, SIZE, "EACCES"],
  [BOB, 0o646, SIZE, undefined],
  [BOB, 0o600, {}, undefined],
] as const;
for (const [uid, mode, changes, errno] of CASES) {
  Deno.test(`${JSON.stringify(changes)} by ${uid} on a job of ${ANN}, ${mode.toString(8)}: ${errno}`, () => {
    const job = { uid: ANN, gid: ANN, mode, state: "pending" } as const;
    const change = () => requireRight(uid, job, { ...changes, privileges: "keep" }, "by-name");
    if (errno) assert.throws(change, new ErrnoError(errno));
    else change();
  });
}

Deno.test("the size may be changed by who had the job open for writing when it was given away", () => {
  const job = { uid: ANN, gid: ANN, mode: 0o600, state: "pending" } as const;
  requireRight(BOB, job, { ...SIZE, privileges: "keep" }, "by-handle");
});

Deno.test("who may write to a pending job may not touch its log", () => {
  const job = { uid: ANN, gid: ANN, mode: 0o666, state: "failed" } as const;
  assert.throws(
    () => requireRight(BOB, job, { ...NOW, privileges: "keep" }, "by-name"),
    new ErrnoError("EACCES"),
  );
});
