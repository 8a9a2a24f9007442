import assert from "node:assert/strict";
import { type Mount, mount, MountError, Session, type Where } from "../../src/fuse/mod.ts";
import { MemoryFs, type Specials } from "./memory_fs.ts";

/** The type of all mounts of these tests. */
export const TYPE = "fuse.memory";
export const OPTIONS = {
  fsname: "memory",
  subtype: "memory",
  admit: "owner",
} as const;

/** Bugs and ends take a moment at most; this only keeps a broken test from waiting for ever. */
const PATIENCE_S = 120;

/** A memory file system served by this very process, so a test must only touch it in children. */
export interface Served extends AsyncDisposable {
  readonly fs: MemoryFs;
  readonly mount: Mount;
  readonly session: Session;
  /** How the session ends. */
  readonly end: ReturnType<Session["run"]>;
  readonly bugs: { error: unknown; where: Where }[];
  /** Runs a shell script in the mount. */
  run(script: string): Promise<{ code: number; out: string; err: string }>;
  /** The same, but it must succeed. @returns What it printed. */
  sh(script: string): Promise<string>;
}

/** A new directory, which is removed at the end, with whatever is mounted there. */
export async function temporaryDirectory(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await Deno.realPath(await Deno.makeTempDir({ prefix: "fuse-test-" }));
  return {
    path,
    async [Symbol.asyncDispose]() {
      // As often as mounts may be stacked there.
      while ((await runProgram("umount", ["-l", path])).code === 0);
      await Deno.remove(path, { recursive: true });
    },
  };
}

export async function serve(specials: Specials = {}): Promise<Served> {
  await using cleanup = new AsyncDisposableStack();
  const directory = cleanup.use(await temporaryDirectory());
  const fs = new MemoryFs(specials);
  const mounted = cleanup.use(await mount(directory.path, OPTIONS));
  const bugs: Served["bugs"] = [];
  const onError = (error: unknown, where: Where) => void bugs.push({ error, where });
  const session = cleanup.use(new Session(mounted.fd, fs, { onError }));
  const end = session.run();
  const owned = cleanup.move();
  const run = (script: string) =>
    runProgram("sh", ["-c", 'umask 022; cd "$1" && eval "$2"', "sh", directory.path, script]);
  return {
    fs,
    mount: mounted,
    session,
    end,
    bugs,
    run,
    async sh(script) {
      const { code, out, err } = await run(script);
      assert.equal(code, 0, err);
      return out;
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** A child with its working directory outside of any mount. */
export async function runProgram(program: string, args: string[]) {
  const all = ["-k", "1", String(PATIENCE_S), program, ...args];
  const env = { LC_ALL: "C", TZ: "UTC" };
  const { code, stdout, stderr } = await new Deno.Command("timeout", {
    args: all,
    env,
    cwd: "/",
    stdin: "null",
  })
    .output();
  return { code, out: new TextDecoder().decode(stdout), err: new TextDecoder().decode(stderr) };
}

/** Checks that a promise is refused with this `MountError`. */
export async function assertRefused(
  promise: Promise<unknown>,
  refusal: string,
  message: RegExp,
): Promise<void> {
  await assert.rejects(promise, (error: unknown) => {
    assert.ok(error instanceof MountError, String(error));
    assert.equal(error.refusal, refusal);
    assert.match(error.message, message);
    assert.doesNotMatch(error.message, /\n/);
    return true;
  });
}
