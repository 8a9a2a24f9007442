import assert from "node:assert/strict";
import { ErrnoError } from "./errno.ts";
import { close, openReadOnly, pipe, readNonblocking } from "./file.ts";
import { LIBC } from "./libc.ts";
import type { Restriction } from "./restriction.ts";
import { spawn } from "./spawn.ts";
import type { SpawnSpec } from "./spawn_memory.ts";
import { waitIfEnded } from "./wait.ts";

/** Runs a program to its end. @returns What it wrote to its standard output. */
async function run(spec: Partial<SpawnSpec>): Promise<string> {
  const { reader, writer } = pipe();
  const nothing = openReadOnly("/dev/null");
  const fds = [nothing, writer, writer];
  try {
    const pid = spawn({
      path: "/bin/sh",
      args: [],
      env: [],
      cwd: "/",
      fds,
      restriction: undefined,
      nice: 0,
      ...spec,
    });
    while (!waitIfEnded(pid)) await new Promise((resolve) => setTimeout(resolve, 1));
    const bytes = new Uint8Array(65_536);
    return new TextDecoder().decode(bytes.subarray(0, readNonblocking(reader, bytes) ?? 0));
  } finally {
    for (const fd of [reader, writer, nothing]) close(fd);
  }
}

function sh(command: string): Partial<SpawnSpec> {
  return { args: ["sh", "-c", command] };
}

Deno.test("spawn() starts a program with its arguments, its environment and its directory", async () => {
  const args = ["sh", "-c", 'echo "$0 $1 $A $(pwd)"', Uint8Array.of(0x78), "b c"];
  assert.equal(await run({ args, env: ["A=ü"], cwd: "/usr" }), "x b c ü /usr\n");
});

Deno.test("spawn() gives descriptors that are numbered as those they become", async () => {
  const { reader, writer } = pipe();
  const fds = [openReadOnly("/dev/null"), writer, writer, openReadOnly("/proc/self/comm")];
  try {
    const pid = spawn({
      path: "/bin/sh",
      args: ["sh", "-c", "cat <&3"],
      env: ["PATH=/usr/bin:/bin"],
      cwd: undefined,
      fds,
      restriction: undefined,
      nice: 0,
    });
    while (!waitIfEnded(pid)) await new Promise((resolve) => setTimeout(resolve, 1));
    const bytes = new Uint8Array(100);
    assert.match(new TextDecoder().decode(bytes.subarray(0, readNonblocking(reader, bytes))), /\w+\n/);
  } finally {
    for (const fd of new Set([...fds, reader])) close(fd);
  }
});

Deno.test("spawn() makes the process nicer, and not this one", async () => {
  const niceness = { ...sh("cut -d' ' -f19 /proc/self/stat"), env: ["PATH=/usr/bin:/bin"] };
  const own = parseInt(await run(niceness));
  assert.equal(parseInt(await run({ ...niceness, nice: 3 })), Math.min(own + 3, 19));
  assert.equal(parseInt(await run(niceness)), own);
});

const FAILURES: [string, Partial<SpawnSpec>, "ENOENT" | "EACCES" | "E2BIG" | "EINVAL"][] = [
  ["a program that is not there", { path: "/proc/none" }, "ENOENT"],
  ["what is no program", { path: "/etc/passwd" }, "EACCES"],
  ["a directory that is not there", { cwd: "/proc/none" }, "ENOENT"],
  ["an argument too long", sh(" ".repeat(131_072)), "E2BIG"],
  ["an argument with a NUL", sh("\0"), "EINVAL"],
  ["a nicer program that is not there", { path: "/proc/none", nice: 1 }, "ENOENT"],
];

for (const [name, spec, errno] of FAILURES) {
  Deno.test(`spawn() of ${name} is ${errno}`, async () => {
    await assert.rejects(run(spec), (error) => error instanceof ErrnoError && error.is(errno));
  });
}

const STATUS = "grep NoNewPrivs /proc/self/status; rmdir $SEAL || echo kept";

Deno.test("spawn() with a restriction restricts the process, and not this one", async () => {
  await using place = await Place.make();
  const text = await run({
    ...sh(STATUS),
    env: [`SEAL=${place.restriction.seal}`, "PATH=/usr/bin:/bin"],
    restriction: place.restriction,
  });
  assert.match(text, /^NoNewPrivs:\t1\n.*Permission denied\nkept\n$/s);
  assert.match(await run({ ...sh(STATUS), env: ["SEAL=/x", "PATH=/usr/bin:/bin"] }), /^NoNewPrivs:\t0\n/);
  await Deno.remove(place.restriction.seal);
});

Deno.test("spawn() with a restriction tells why a program could not be started", async () => {
  await using place = await Place.make();
  const { restriction } = place;
  for (const [name, spec, errno] of FAILURES) {
    await assert.rejects(
      run({ ...spec, restriction }),
      (error) => error instanceof ErrnoError && error.is(errno),
      name,
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

/** A folder with a seal, and a ruleset that lets nobody remove directories. */
class Place implements AsyncDisposable {
  private constructor(readonly path: string, readonly restriction: Restriction) {}

  static async make(): Promise<Place> {
    const path = await Deno.makeTempDir({ prefix: "filed-spawn-" });
    await Deno.mkdir(`${path}/seal`);
    return new Place(path, { seal: `${path}/seal`, ruleset: rulesetAgainstRmdir() });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    close(this.restriction.ruleset);
    await Deno.remove(this.path, { recursive: true });
  }
}

/** @see landlock_create_ruleset(2) */
function rulesetAgainstRmdir(): number {
  const REMOVE_DIR = 1n << 4n; // LANDLOCK_ACCESS_FS_REMOVE_DIR
  const CREATE_RULESET = 444n;
  const libc = Deno.dlopen(LIBC, {
    syscall: { parameters: ["i64", "buffer", "usize", "u32"], result: "i64" },
  });
  const handled = new Uint8Array(new BigUint64Array([REMOVE_DIR]).buffer);
  const ruleset = Number(libc.symbols.syscall(CREATE_RULESET, handled, 8n, 0));
  libc.close();
  return ruleset;
}
