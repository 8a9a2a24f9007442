import assert from "node:assert/strict";
import { ErrnoError } from "../errno.ts";
import { clearCloseOnExec, close, openReadOnly, pipe, readNonblocking } from "../files/file.ts";
import { readKernelFile } from "../files/kernel_files.ts";
import { ACCESS_FS, Ruleset } from "../landlock.ts";
import { AS_WE_ARE, type Restriction, spawn, type SpawnSpec } from "./mod.ts";
import { waitIfEnded } from "../processes/wait.ts";

const PLAIN = { ...AS_WE_ARE, path: "/bin/sh", args: [] };

/** Runs a program to its end. @returns What it wrote to its standard output. */
async function run(spec: Partial<SpawnSpec>): Promise<string> {
  const { reader, writer } = pipe();
  const nothing = openReadOnly("/dev/null");
  const fds = [nothing, writer, writer];
  try {
    const { pid, failure } = spawn({ ...PLAIN, fds, ...spec });
    while (!waitIfEnded(pid)) await new Promise((resolve) => setTimeout(resolve, 1));
    const error = failure();
    if (error) throw error;
    const bytes = new Uint8Array(65_536);
    return new TextDecoder().decode(bytes.subarray(0, readNonblocking(reader, bytes) ?? 0));
  } finally {
    for (const fd of [reader, writer, nothing]) close(fd);
  }
}

function sh(command: string): Partial<SpawnSpec> {
  return { args: ["sh", "-c", command] };
}

const FAILURES: [string, Partial<SpawnSpec>, "ENOENT" | "EACCES" | "E2BIG" | "EINVAL"][] = [
  ["a program that is not there", { path: "/proc/none" }, "ENOENT"],
  ["what is no program", { path: "/etc/passwd" }, "EACCES"],
  [
    "a limit whose soft part is above its hard one",
    { rlimits: [{ resource: "NOFILE", soft: 2, hard: 1 }] },
    "EINVAL",
  ],
  ["an argument too long", sh(" ".repeat(131_072)), "E2BIG"],
  ["an argument with a NUL", sh("\0"), "EINVAL"],
  ["a nicer program that is not there", { path: "/proc/none", nice: 1 }, "ENOENT"],
];

const STATUS = "grep NoNewPrivs /proc/self/status; rmdir $PROOF || echo kept";

Deno.test("spawn() starts a program with its arguments, its environment and its directory", async () => {
  const args = ["sh", "-c", 'echo "$0 $1 $A $(pwd)"', Uint8Array.of(0x78), "b c"];
  assert.equal(await run({ args, env: ["A=ü"], cwd: ["/usr"] }), "x b c ü /usr\n");
});

Deno.test("spawn() gives descriptors that are numbered as those they become", async () => {
  const { reader, writer } = pipe();
  const fds = [openReadOnly("/dev/null"), writer, writer, openReadOnly("/proc/self/comm")];
  try {
    const { pid } = spawn({
      ...PLAIN,
      args: ["sh", "-c", "cat <&3"],
      env: ["PATH=/usr/bin:/bin"],
      fds,
    });
    while (!waitIfEnded(pid)) await new Promise((resolve) => setTimeout(resolve, 1));
    const bytes = new Uint8Array(100);
    assert.match(new TextDecoder().decode(bytes.subarray(0, readNonblocking(reader, bytes))), /\w+\n/);
  } finally {
    for (const fd of new Set([...fds, reader])) close(fd);
  }
});

Deno.test("spawn() starts a program in one directory only, or not at all", async () => {
  assert.equal(await run({ ...sh("pwd -P"), cwd: ["/etc"], onlyIn: "/usr" }), "/usr\n");
  await assert.rejects(
    run({ ...sh(":"), cwd: ["/etc"], onlyIn: "/proc/none" }),
    (error) => error instanceof ErrnoError && error.is("ENOENT") && error.what === "chdir of a child",
  );
});

Deno.test("spawn() tries a program again that somebody had open for writing just now", async () => {
  const path = await Deno.makeTempFile();
  const nothing = openReadOnly("/dev/null");
  try {
    await Deno.writeTextFile(path, "#!/bin/sh\nexit 3\n");
    await Deno.chmod(path, 0o700);
    const start = (program: SpawnSpec["program"]) =>
      spawn({ ...PLAIN, path, program, args: [path], fds: [nothing, nothing, nothing] });
    const ended = async (pid: number) => {
      let exit = waitIfEnded(pid);
      for (; !exit; exit = waitIfEnded(pid)) await new Promise((resolve) => setTimeout(resolve, 1));
      return exit;
    };
    const writer = await Deno.open(path, { write: true });
    const refused = start(undefined);
    await ended(refused.pid);
    assert.ok(refused.failure()?.is("ETXTBSY"));
    const { pid } = start("just written");
    writer.close();
    assert.deepEqual(await ended(pid), { kind: "exited", status: 3 });
  } finally {
    close(nothing);
    await Deno.remove(path);
  }
});

const DIRECTORIES: [string, string[], string][] = [
  ["the first that it can enter", ["/proc/none", "/etc/passwd", "/usr", "/etc"], "/usr"],
  ["the root where it can enter none", ["/proc/none"], "/"],
  ["the root where it has none", [], "/"],
];
for (const [what, cwd, expected] of DIRECTORIES) {
  Deno.test(`spawn() starts a program in ${what}`, async () => {
    assert.equal(await run({ ...sh("pwd -P"), cwd }), `${expected}\n`);
  });
}

Deno.test("spawn() limits the process, and not this one", async () => {
  const limits = { ...sh("ulimit -S -n; ulimit -H -n; ulimit -S -t"), env: ["PATH=/usr/bin:/bin"] };
  const own = await run(limits);
  const rlimits = [{ resource: "NOFILE", soft: 20, hard: 30 }, {
    resource: "CPU",
    soft: 7,
    hard: 8,
  }] as const;
  assert.equal(await run({ ...limits, rlimits }), "20\n30\n7\n");
  assert.equal(await run(limits), own);
});

Deno.test("spawn() gives the program no descriptor but its own, also of those that are not close-on-exec", async () => {
  const { reader, writer } = pipe();
  clearCloseOnExec(reader);
  clearCloseOnExec(writer);
  try {
    const list = { ...sh("ls /proc/$$/fd"), env: ["PATH=/usr/bin:/bin"] };
    assert.equal(await run(list), "0\n1\n2\n");
  } finally {
    close(reader);
    close(writer);
  }
});

Deno.test("spawn() makes the process nicer, and not this one", async () => {
  const niceness = { ...sh("cut -d' ' -f19 /proc/self/stat"), env: ["PATH=/usr/bin:/bin"] };
  const own = parseInt(await run(niceness));
  assert.equal(parseInt(await run({ ...niceness, nice: 3 })), Math.min(own + 3, 19));
  assert.equal(parseInt(await run(niceness)), own);
});

for (const [what, spec, errno] of FAILURES) {
  Deno.test(`spawn() of ${what} is ${errno}`, async () => {
    await assert.rejects(run(spec), (error) => error instanceof ErrnoError && error.is(errno));
  });
}

Deno.test("spawn() with a restriction restricts the process, and not this one", async () => {
  await using place = await Place.make();
  const text = await run({
    ...sh(STATUS),
    env: [`PROOF=${place.restriction.proof}`, "PATH=/usr/bin:/bin"],
    restriction: place.restriction,
  });
  assert.match(text, /^NoNewPrivs:\t1\n.*Permission denied\nkept\n$/s);
  assert.match(
    await run({ ...sh(STATUS), env: ["PROOF=/x", "PATH=/usr/bin:/bin"] }),
    /^NoNewPrivs:\t0\n/,
  );
  await Deno.remove(place.restriction.proof);
});

Deno.test("spawn() with a restriction tells why a program could not be started", async () => {
  await using place = await Place.make();
  const { restriction } = place;
  for (const [what, spec, errno] of FAILURES) {
    await assert.rejects(
      run({ ...spec, restriction }),
      (error) => error instanceof ErrnoError && error.is(errno),
      what,
    );
  }
});

Deno.test("spawn() starts nothing if the restriction fails", async () => {
  await using place = await Place.make();
  const mark = `${place.path}/mark`;
  const restriction = { ...place.restriction, ruleset: 0 };
  await assert.rejects(run({ ...sh(`: > ${mark}`), restriction }), ErrnoError);
  await assert.rejects(Deno.stat(mark), Deno.errors.NotFound);
});

Deno.test("spawn() starts nothing if the restriction does not take hold", async () => {
  await using place = await Place.make();
  const mark = `${place.path}/mark`;
  using other = rulesetAgainst(ACCESS_FS.MAKE_BLOCK);
  const restriction = { ...place.restriction, ruleset: other.fd };
  await assert.rejects(run({ ...sh(`: > ${mark}`), restriction }), ErrnoError);
  await assert.rejects(Deno.stat(mark), Deno.errors.NotFound);
});

Deno.test("spawn() leaves no thread restricted, and no signal blocked", async () => {
  await using place = await Place.make();
  const blocked = () => /^SigBlk:.*$/m.exec(readKernelFile("/proc/thread-self/status"))?.[0];
  const before = blocked();
  await run({ ...sh(":"), restriction: place.restriction });
  await assert.rejects(run({ path: "/proc/none", restriction: place.restriction }), ErrnoError);
  assert.equal(blocked(), before);
  for (const { name } of Deno.readDirSync("/proc/self/task")) {
    assert.match(readKernelFile(`/proc/self/task/${name}/status`), /^NoNewPrivs:\t0$/m);
  }
});

Deno.test("spawn() keeps from a program what a terminal sends to this process and its group", async () => {
  const script = `
    import { openReadOnly } from "${new URL("../files/file.ts", import.meta.url)}";
    import { AS_WE_ARE, spawn } from "${new URL("./mod.ts", import.meta.url)}";
    import { waitIfEnded } from "${new URL("../processes/wait.ts", import.meta.url)}";
    const signals = ["SIGHUP", "SIGINT", "SIGQUIT"];
    for (const signal of signals) Deno.addSignalListener(signal, () => {});
    const nothing = openReadOnly("/dev/null");
    const spec = { ...AS_WE_ARE, path: "/bin/sh", args: ["sh", "-c", ":"] };
    for (let round = 0; round < 60; round++) {
      const { pid } = spawn({ ...spec, fds: [nothing, nothing, nothing] });
      Deno.kill(-Deno.pid, signals[round % 3]); // It leads a group, or there is none of that number.
      let status;
      while (!(status = waitIfEnded(pid))) await new Promise((resolve) => setTimeout(resolve, 1));
      if (status.kind !== "exited") throw new Error(JSON.stringify(status));
    }
    Deno.exit(0);`;
  const command = new Deno.Command("setsid", { args: [Deno.execPath(), "eval", "--no-lock", script] });
  const { success, stderr } = await command.output();
  assert.ok(success, new TextDecoder().decode(stderr));
});

/** A folder with a proof, and a ruleset that lets nobody remove directories. */
class Place implements AsyncDisposable {
  readonly restriction: Restriction;
  readonly #ruleset = rulesetAgainst(ACCESS_FS.REMOVE_DIR);

  private constructor(readonly path: string) {
    this.restriction = { proof: `${path}/proof`, ruleset: this.#ruleset.fd };
  }

  static async make(): Promise<Place> {
    const path = await Deno.makeTempDir({ prefix: "filed-spawn-" });
    await Deno.mkdir(`${path}/proof`);
    return new Place(path);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ruleset[Symbol.dispose]();
    await Deno.remove(this.path, { recursive: true });
  }
}

function rulesetAgainst(access: number): Ruleset {
  return new Ruleset({ fs: access, net: 0, scoped: 0 });
}
