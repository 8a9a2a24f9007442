/** clone3(2) into a cgroup, for root, who may make one. */
import assert from "node:assert/strict";
import { AS_WE_ARE, spawnIntoCgroup, type SpawnSpec } from "../../src/sys/spawn/mod.ts";
import { ErrnoError } from "../../src/sys/errno.ts";
import { close, openReadOnly, pipe, readNonblocking } from "../../src/sys/files/file.ts";
import {
  makeKernelDirectory,
  readKernelFile,
  removeKernelDirectory,
  writeKernelFile,
} from "../../src/sys/files/kernel_files.ts";
import { waitIfEnded, type WaitStatus } from "../../src/sys/processes/wait.ts";
import { ownGroup } from "../groups.ts";
import { Place, rootTest } from "../harness.ts";
import { HungMount } from "../hung_mount.ts";

/** A cgroup for one test, which no process may outlast. */
class Group implements Disposable {
  readonly path: string;
  readonly fd: number;

  constructor() {
    const own = ownGroup();
    assert.ok(own, "cgroup v2 is not mounted");
    this.path = `${own}/filed-test-${crypto.randomUUID()}`;
    makeKernelDirectory(this.path);
    this.fd = openReadOnly(this.path);
  }

  [Symbol.dispose](): void {
    close(this.fd);
    removeKernelDirectory(this.path);
  }
}

const KILLED: WaitStatus = { kind: "signaled", signal: "SIGKILL" };

async function run(
  cgroup: number,
  spec: Partial<SpawnSpec>,
): Promise<{ pid: number; text: string; status: WaitStatus }> {
  const { reader, writer } = pipe();
  const nothing = openReadOnly("/dev/null");
  try {
    const fds = [nothing, writer, writer];
    const plain = { ...AS_WE_ARE, path: "/bin/sh", args: [], fds };
    const started = spawnIntoCgroup({ ...plain, ...spec }, cgroup);
    assert.ok(started, "there was no clone");
    const { pid } = started;
    let status: WaitStatus | undefined;
    while (!(status = waitIfEnded(pid))) await new Promise((resolve) => setTimeout(resolve, 1));
    const error = started.failure();
    if (error) throw error;
    const bytes = new Uint8Array(65_536);
    const text = new TextDecoder().decode(bytes.subarray(0, readNonblocking(reader, bytes) ?? 0));
    return { pid, text, status };
  } finally {
    for (const fd of [reader, writer, nothing]) close(fd);
  }
}

rootTest(
  "spawnIntoCgroup() starts a program in the group, a session of its own, with clean signals",
  async () => {
    using group = new Group();
    const script = 'cat /proc/self/cgroup; echo "$0 $1 $A"; cut -d" " -f1,6 /proc/self/stat; ' +
      "grep -E 'Sig(Blk|Ign)' /proc/self/status; exit 3";
    const args = ["sh", "-c", script, Uint8Array.of(0x78), "b c"];
    const { text, status, pid } = await run(group.fd, { args, env: ["A=ü", "PATH=/usr/bin:/bin"] });
    assert.deepEqual(status, { kind: "exited", status: 3 });
    assert.match(text, new RegExp(`^0::.*/${group.path.split("/").at(-1)}$`, "m"));
    assert.match(text, /^x b c ü$/m);
    assert.match(text, new RegExp(`^\\d+ ${pid}$`, "m"));
    const masks = [...text.matchAll(/^Sig...:\t(\w+)$/gm)].map(([, mask]) => BigInt(`0x${mask}`));
    assert.deepEqual(masks, [0n, 0n]);
  },
);

rootTest("spawnIntoCgroup() starts a program in a directory, and nicer", async () => {
  using group = new Group();
  const args = ["sh", "-c", "pwd -P; nice"];
  const { text } = await run(group.fd, {
    args,
    env: ["PATH=/usr/bin:/bin"],
    cwd: ["/proc/self/root/usr"],
    nice: 7,
  });
  const own = Number(new TextDecoder().decode((await new Deno.Command("nice").output()).stdout));
  assert.equal(text, `/usr\n${Math.min(own + 7, 19)}\n`);
});

rootTest("spawnIntoCgroup() tells why a program could not be executed, and leaves no process", async () => {
  using group = new Group();
  for (
    const [spec, errno] of [
      [{ path: "/proc/none" }, "ENOENT"],
      [{ path: "/etc/passwd" }, "EACCES"],
      [{ args: ["sh", "-c", " ".repeat(131_072)] }, "E2BIG"],
      // A restriction that fails: what is no ruleset, and a proof that it keeps nobody from.
      [{ restriction: { ruleset: 0, proof: "/proc/none" } }, "ENOENT"],
    ] as const
  ) {
    await assert.rejects(run(group.fd, spec), (error) => error instanceof ErrnoError && error.is(errno));
    assert.equal((await run(group.fd, { args: ["sh", "-c", "echo next"] })).text, "next\n");
  }
  assert.equal(readKernelFile(`${group.path}/cgroup.procs`), "");
});

rootTest("spawnIntoCgroup() executes nothing where the restriction fails", async () => {
  await using place = await Place.make();
  using group = new Group();
  const [proof, mark] = [`${place.path}/proof`, `${place.path}/mark`];
  await Deno.mkdir(proof);
  const spec = { args: ["sh", "-c", `: > ${mark}`], restriction: { ruleset: 0, proof } };
  await assert.rejects(run(group.fd, spec), ErrnoError);
  await assert.rejects(Deno.stat(mark), Deno.errors.NotFound);
});

rootTest(
  "spawnIntoCgroup() executes nothing where the kernel takes no restriction, whatever becomes of the proof",
  async () => {
    await using place = await Place.make();
    using group = new Group();
    const mark = `${place.path}/mark`;
    // Nobody can rename this one, restricted or not.
    const spec = { args: ["sh", "-c", `: > ${mark}`], restriction: { ruleset: 0, proof: "/proc/self" } };
    await assert.rejects(run(group.fd, spec), /landlock_restrict_self/);
    await assert.rejects(Deno.stat(mark), Deno.errors.NotFound);
  },
);

rootTest("spawnIntoCgroup() leaves this process as it is where there can be no clone", async () => {
  const session = () => readKernelFile("/proc/self/stat").split(") ")[1]?.split(" ")[3];
  const before = [session(), Deno.pid];
  const notAGroup = openReadOnly("/dev/null");
  using _notAGroup = { [Symbol.dispose]: () => close(notAGroup) };
  for (let round = 0; round < 3; round++) {
    await assert.rejects(run(notAGroup, { args: ["sh", "-c", "exit 5"] }), /there was no clone/);
  }
  assert.deepEqual([session(), Deno.pid], before);
  using group = new Group();
  assert.deepEqual((await run(group.fd, { args: ["sh", "-c", "exit 6"] })).status, {
    kind: "exited",
    status: 6,
  });
});

rootTest("spawnIntoCgroup() survives a child that is killed before it executes anything", async () => {
  using group = new Group();
  // Into a group whose processes were once killed together, the kernel kills a clone at once (Linux 6.13 and
  // later).
  writeKernelFile(`${group.path}/cgroup.kill`, "1");
  for (let round = 0; round < 20; round++) {
    const { status, text } = await run(group.fd, { args: ["sh", "-c", "echo alive"] });
    if (status.kind === "signaled") assert.deepEqual({ status, text }, { status: KILLED, text: "" });
    else assert.equal(text, "alive\n");
  }
});

for (const memory of ["limited", undefined] as const) {
  const what = memory === undefined ? "has no limit" : "is limited";
  rootTest(
    `spawnIntoCgroup() waits for no child that gets no further, where the group's memory ${what}`,
    async () => {
      await using place = await Place.make();
      using group = new Group();
      await using hung = await HungMount.make(place.path, 0);
      const nothing = openReadOnly("/dev/null");
      using _nothing = { [Symbol.dispose]: () => close(nothing) };
      const spec = {
        ...AS_WE_ARE,
        path: "/bin/true",
        args: ["true"],
        cwd: [place.path],
        fds: [nothing, nothing, nothing],
        memory,
      };
      const started = spawnIntoCgroup(spec, group.fd);
      assert.ok(started, "there was no clone");
      await hung.asked();
      await hung[Symbol.asyncDispose]();
      let status: WaitStatus | undefined;
      while (!(status = waitIfEnded(started.pid))) await new Promise((resolve) => setTimeout(resolve, 1));
      assert.deepEqual(status, { kind: "exited", status: 0 });
      assert.equal(started.failure(), undefined);
    },
  );
}

rootTest("spawnIntoCgroup() tells what failed also where the group's memory is limited", async () => {
  using group = new Group();
  const spec = { path: "/proc/none", memory: "limited" } as const;
  await assert.rejects(run(group.fd, spec), (error) => error instanceof ErrnoError && error.is("ENOENT"));
});

rootTest("spawnIntoCgroup() does so many times", async () => {
  using group = new Group();
  for (let round = 0; round < 300; round++) {
    const { text } = await run(group.fd, { args: ["sh", "-c", `echo ${round}`] });
    assert.equal(text, `${round}\n`);
  }
});
