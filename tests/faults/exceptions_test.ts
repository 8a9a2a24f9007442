/** A bug in one request costs that request; one in the scheduler ends filed loudly. */
import assert from "node:assert/strict";
import { Gate } from "../contract/expect.ts";
import { type FileSystem, mount, Session, type Where } from "../../src/fuse/mod.ts";
import type { JobId } from "../../src/job/id.ts";
import { StoreError } from "../../src/store/store.ts";
import { errnoOf } from "../../src/tree/errors.ts";
import type { Tree } from "../../src/tree/tree.ts";
import { assembleStill } from "../assembly.ts";
import { fails, Filed, ok, Place, type Ran, run, sh, startFiled } from "../harness.ts";

/** A tree that this process serves, some of whose handlers have a bug; only children may touch it. */
class Buggy implements AsyncDisposable {
  readonly reports: { error: unknown; where: Where }[] = [];
  private constructor(readonly mountpoint: string, private readonly parts: AsyncDisposableStack) {}

  static async serve(bugs: Partial<FileSystem>): Promise<Buggy> {
    await using parts = new AsyncDisposableStack();
    const place = parts.use(await Place.make());
    const { queue, tree } = parts.use(await assembleStill(`${place.path}/filed.db`));
    await queue.create("x" as JobId, { uid: Deno.uid() ?? 0, gid: Deno.gid() ?? 0, mode: 0o644 });
    const mountpoint = `${place.path}/mnt`;
    await Deno.mkdir(mountpoint);
    const mounted = parts.use(
      await mount(mountpoint, { fsname: "filed", subtype: "filed", admit: "owner" }),
    );
    const buggy = new Buggy(mountpoint, parts.move());
    const fs = handlersOf(tree, bugs);
    const session = new Session(mounted.fd, fs, {
      onError: (error, where) => {
        buggy.reports.push({ error, where });
        return errnoOf(error);
      },
    });
    buggy.parts.use(session);
    session.run();
    return buggy;
  }

  sh(script: string): Promise<Ran> {
    return sh(script, { M: this.mountpoint });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.parts.disposeAsync();
  }
}

/** The handlers of a tree, but for those that are given. */
function handlersOf(tree: Tree, bugs: Partial<FileSystem>): FileSystem {
  return new Proxy<FileSystem>(tree, {
    get(target, name: keyof FileSystem) {
      const handler = bugs[name] ?? target[name];
      return typeof handler === "function" ? handler.bind(target) : handler;
    },
  });
}

const bug = () => {
  throw new TypeError("a bug");
};
const laterBug = () => Promise.reject(new TypeError("a bug"));

const BUGS: Record<string, [bugs: Partial<FileSystem>, script: string, opcode: string]> = {
  "open": [{ open: bug }, "cat $M/pending/x", "OPEN"],
  "create, later": [{ create: laterBug }, "echo true > $M/pending/y", "CREATE"],
  "read, later": [{ read: laterBug }, "cat $M/config.json", "READ"],
  "write": [{ write: bug }, "echo true > $M/pending/x", "WRITE"],
  "flush, later": [{ flush: laterBug }, "dd if=/dev/null of=$M/pending/x", "FLUSH"],
  "readdir, later": [{ readdir: laterBug }, "ls $M/failed", "READDIR"],
  "rename": [{ rename: bug }, "mv $M/pending/x $M/pending/y", "RENAME2"],
  "unlink, later": [{ unlink: laterBug }, "rm $M/pending/x", "UNLINK"],
  "setattr": [{ setattr: bug }, "chmod 600 $M/pending/x", "SETATTR"],
};

for (const [what, [bugs, script, opcode]] of Object.entries(BUGS)) {
  Deno.test(`a bug in ${what} is EIO, is reported with its request, and the next request is served`, async () => {
    await using buggy = await Buggy.serve(bugs);
    await fails(buggy.sh(script), /Input\/output error|I\/O error/);
    const reports = buggy.reports.filter(({ where }) => where.opcode === opcode);
    assert.ok(reports.length > 0, JSON.stringify(buggy.reports.map(({ where }) => where.opcode)));
    for (const { error, where } of reports) {
      assert.match(String(error), /a bug/);
      assert.deepEqual([typeof where.unique, typeof where.nodeid], ["bigint", "bigint"]);
    }
    await ok(buggy.sh("cat $M/new-id || ls $M/pending"));
  });
}

Deno.test("what the kernel does not wait for, release and forget, may have bugs too", async () => {
  await using buggy = await Buggy.serve({ release: laterBug, forget: bug });
  for (let round = 0; round < 3; round++) await ok(buggy.sh("cat $M/config.json"));
  assert.ok(buggy.reports.some(({ where }) => where.opcode === "RELEASE"));
});

for (
  const [kind, message] of [["full", /No space left/], ["read-only", /Read-only/], [
    "corrupt",
    /output error/,
  ]] as const
) {
  Deno.test(`a store that is ${kind} is told to the caller as what a disk would have said`, async () => {
    await using buggy = await Buggy.serve({ create: () => Promise.reject(new StoreError(kind, "no")) });
    await fails(buggy.sh("echo true > $M/pending/y"), message);
  });
}

Deno.test("an exception in the scheduler ends filed with status 1, unmounted, and its jobs run again", async () => {
  await using filed = await startFiled({ config: { max_attempts: 1 } });
  using gate = await Gate.make(filed.place);
  await filed.submit("a", `echo "attempt $FILED_ATTEMPT"; ${gate.waiting}`);
  await gate.closedOn();
  // No JavaScript number: what counts the ends does not expect that.
  await execute(filed.state, "INSERT OR REPLACE INTO counters VALUES ('end', 9007199254740993)");
  await filed.submit("b", "echo b");
  assert.equal((await filed.ended()).code, 1);
  assert.match(filed.words.join("\n"), /^filed: /);
  await fails(run(["mountpoint", "-q", filed.mount]), /^/);

  await execute(filed.state, "DELETE FROM counters WHERE name = 'end'");
  await using again = await Filed.start(filed.place);
  await gate.closedOn();
  gate.open();
  assert.match(await again.finished("a"), /\nattempt 1\n$/);
  assert.equal(await again.finished("b"), ">>> echo b\nb\n");
});

/** Runs SQL on a state file that a daemon may have open. */
async function execute(path: string, sql: string): Promise<void> {
  await ok(run(["sqlite3", "-cmd", ".timeout 5000", path, sql]));
}
