import assert from "node:assert/strict";
import { ErrnoError } from "../errno.ts";
import {
  listKernelDirectory,
  makeKernelDirectory,
  readKernelFile,
  readKernelLink,
  removeKernelDirectory,
  writeKernelFile,
} from "./kernel_files.ts";

Deno.test("readKernelFile() reads what has no size", () => {
  assert.match(readKernelFile("/proc/self/stat"), new RegExp(`^${Deno.pid} \\(`));
});

Deno.test("readKernelFile() reads a file longer than its buffer", async () => {
  const path = await Deno.makeTempFile();
  try {
    const text = "0123456789".repeat(40_000);
    await Deno.writeTextFile(path, text);
    assert.equal(readKernelFile(path), text);
  } finally {
    await Deno.remove(path);
  }
});

Deno.test("listKernelDirectory() finds this process, and its descriptors", () => {
  assert.ok(
    listKernelDirectory("/proc").some((entry) => entry.name === String(Deno.pid) && entry.isDirectory),
  );
  const names = listKernelDirectory("/proc/self/fd").map(({ name }) => name);
  for (const fd of ["0", "1", "2"]) assert.ok(names.includes(fd));
  assert.ok(!names.includes("."));
});

Deno.test("listKernelDirectory() lists more names than its buffer holds", async () => {
  const path = await Deno.makeTempDir();
  try {
    const names = Array.from({ length: 1_000 }, (_, i) => String(i).padStart(200, "n")).sort();
    await Promise.all(names.map((name) => Deno.writeTextFile(`${path}/${name}`, "")));
    assert.deepEqual(listKernelDirectory(path).map(({ name }) => name).sort(), names);
    assert.ok(listKernelDirectory(path).every(({ isDirectory }) => !isDirectory));
  } finally {
    await Deno.remove(path, { recursive: true });
  }
});

Deno.test("makeKernelDirectory(), writeKernelFile() and removeKernelDirectory() change what is there", async () => {
  const path = await Deno.makeTempDir();
  try {
    makeKernelDirectory(`${path}/group`);
    await Deno.writeTextFile(`${path}/file`, "");
    writeKernelFile(`${path}/file`, "1");
    assert.equal(await Deno.readTextFile(`${path}/file`), "1");
    removeKernelDirectory(`${path}/group`);
    await assert.rejects(Deno.stat(`${path}/group`), Deno.errors.NotFound);
  } finally {
    await Deno.remove(path, { recursive: true });
  }
});

Deno.test("readKernelLink() says where this process is", () => {
  assert.equal(readKernelLink("/proc/self/cwd"), Deno.cwd());
});

Deno.test("what is not there is ENOENT", () => {
  const missing = "/proc/self/missing";
  const calls = [
    () => readKernelFile(missing),
    () => writeKernelFile(missing, "1"),
    () => listKernelDirectory(missing),
    () => removeKernelDirectory(missing),
    () => readKernelLink(missing),
  ];
  for (const call of calls) {
    assert.throws(call, (error: unknown) => error instanceof ErrnoError && error.is("ENOENT"));
  }
});
