/** What the mount is not: no directories, links or devices, and nothing made or moved outside its places. */
import assert from "node:assert/strict";
import { fails, ok, startFiled } from "../harness.ts";
import { open, read, refuses, startPaused } from "./expect.ts";

const DIRECTORIES = ["", "/pending", "/active", "/complete", "/failed", "/why"];
const ROOT = ["active", "complete", "config.json", "failed", "new-id", "pending", "why"];

Deno.test("mkdir and symlink are EPERM in every directory", async () => {
  await using filed = await startFiled();
  for (const directory of DIRECTORIES) {
    await refuses("EPERM", Deno.mkdir(`${filed.mount}${directory}/new`), directory);
    await refuses("EPERM", Deno.symlink("x", `${filed.mount}${directory}/new`), directory);
  }
  await fails(filed.sh("mkdir -p $M/pending/a/b"), /Operation not permitted/);
  await fails(filed.sh("ln -s x $M/pending/new"), /Operation not permitted/);
});

Deno.test("link is EPERM, for pending jobs and for logs", async () => {
  await using filed = await startFiled();
  await filed.finish("done", "true");
  await filed.submit(".draft", "true");
  await refuses("EPERM", Deno.link(`${filed.mount}/pending/.draft`, `${filed.mount}/pending/.link`));
  await refuses("EPERM", Deno.link(`${filed.mount}/complete/done`, `${filed.mount}/complete/link`));
  await refuses("EPERM", Deno.link(`${filed.mount}/complete/done`, `${filed.mount}/pending/link`));
  await refuses("EPERM", Deno.link(`${filed.mount}/new-id`, `${filed.mount}/pending/link`));
});

Deno.test("rmdir is EPERM for the directories that are always there, empty as they are", async () => {
  await using filed = await startFiled();
  for (const directory of DIRECTORIES.slice(1)) await refuses("EPERM", Deno.remove(filed.mount + directory));
  await fails(filed.sh("rmdir $M/failed"), /Operation not permitted/);
  assert.deepEqual(await filed.list(""), ROOT);
});

Deno.test("FIFOs, sockets and device nodes are EPERM", async () => {
  await using filed = await startFiled();
  await fails(filed.sh("mkfifo $M/pending/fifo"), /Operation not permitted/);
  await fails(filed.sh("mknod $M/pending/null c 1 3"), /Operation not permitted/);
  await ok(filed.python(`
import errno, socket
for directory in ("", "/pending", "/complete"):
    try:
        socket.socket(socket.AF_UNIX).bind(M + directory + "/socket")
    except OSError as error:
        assert error.errno == errno.EPERM, error
    else:
        raise SystemExit("it was made")
`));
  assert.deepEqual(await filed.list("pending"), []);
});

Deno.test("creating a file in the directory of another state than pending is EPERM", async () => {
  await using filed = await startFiled();
  for (const directory of DIRECTORIES.slice(2)) {
    await refuses("EPERM", open(filed, `${directory}/x`, { create: true, write: true }));
    await refuses("EPERM", open(filed, `${directory}/x`, { createNew: true, write: true, mode: 0o600 }));
    await fails(filed.sh(`touch $M${directory}/x`), /Operation not permitted/);
    await fails(filed.sh(`echo x > $M${directory}/x`), /Operation not permitted|cannot create/);
    await fails(filed.sh(`cp /etc/passwd $M${directory}/x`), /Operation not permitted/);
    await fails(filed.python(`os.mknod(M + "${directory}/x")`), /PermissionError: \[Errno 1\]/);
  }
});

Deno.test("what is always there can't be removed", async () => {
  await using filed = await startFiled();
  await refuses("EPERM", Deno.remove(`${filed.mount}/new-id`));
  await fails(filed.sh("rm -rf $M/new-id $M/config.json $M/failed"), /Operation not permitted/);
  assert.deepEqual(await filed.list(""), ROOT);
});

Deno.test("what is always there can't be renamed, replaced or moved into", async () => {
  await using filed = await startPaused();
  await filed.submit("x", "true");
  const moves = [
    ...ROOT.filter((name) => name !== "config.json").map((name) => [name, "other"]),
    ...ROOT.filter((name) => name !== "pending").map((name) => [name, "pending/other"]),
    ["config.json", "new-id"],
    ["complete", "failed"],
    ["pending/x", "other"],
    ["pending/x", "config.json"],
    ["pending/x", "new-id"],
    ["beside", "new-id"],
    ["beside", "pending/other"],
    ["beside", "complete/other"],
  ];
  await Deno.writeTextFile(`${filed.mount}/beside`, "{}");
  for (const [from, to] of moves) {
    await refuses("EPERM", Deno.rename(`${filed.mount}/${from}`, `${filed.mount}/${to}`), `${from} ${to}`);
  }
  assert.deepEqual(await filed.list(""), [...ROOT, "beside"].sort());
  assert.deepEqual(await filed.list("pending"), ["x"]);
});

Deno.test("names that are not there are ENOENT, to read or to remove", async () => {
  await using filed = await startFiled();
  for (const directory of DIRECTORIES) {
    await refuses("ENOENT", Deno.lstat(`${filed.mount}${directory}/x`));
    await refuses("ENOENT", open(filed, `${directory}/x`, { read: true }));
  }
  for (const directory of DIRECTORIES.slice(1)) {
    await refuses("ENOENT", Deno.remove(`${filed.mount}${directory}/x`));
  }
});

Deno.test("logs and new-id can't be opened for writing or truncated, whoever asks", async () => {
  await using filed = await startFiled();
  await filed.finish("x", "echo hi");
  for (const path of ["complete/x", "new-id"]) {
    await refuses("EACCES", open(filed, path, { write: true }), path);
    await refuses("EACCES", open(filed, path, { append: true }), path);
    await refuses("EACCES", open(filed, path, { write: true, truncate: true }), path);
    await refuses("EACCES", Deno.truncate(`${filed.mount}/${path}`, 1), path);
    await fails(filed.sh(`echo x >> $M/${path}`), /Permission denied|cannot create/);
  }
  assert.equal(await read(filed, "complete/x"), ">>> echo hi\nhi\n");
});
