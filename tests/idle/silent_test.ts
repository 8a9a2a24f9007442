/**
 * Nobody can keep the jobs of others waiting by what the sandbox looks at: paths of rules, and folders to be
 * removed.
 */
import { HungMount } from "../hung_mount.ts";
import assert from "node:assert/strict";
import { exists, Filed, makeFifo, ok, Place, rootTest, sh, until } from "../harness.ts";
import { compileSilent, Silent } from "../sandbox/silent.ts";

/** The users: each can do what it likes, and what it does must not concern the other. */
const [BAD, GOOD] = ["games", "nobody"] as const;
/** A job of somebody else starts within this. */
const START_MS = 1_000;
/** How long a rule is for what was seen at its path. */
const FRESH_MS = 1_000;

class Scene implements AsyncDisposable {
  readonly #stack: AsyncDisposableStack;
  readonly #silents: Silent[] = [];

  private constructor(
    readonly place: Place,
    readonly silent: string,
    readonly uid: string,
    stack: AsyncDisposableStack,
  ) {
    this.#stack = stack;
  }

  static async make(): Promise<Scene> {
    await using stack = new AsyncDisposableStack();
    const place = stack.use(await Place.make());
    await ok(
      sh('cd "$P" && chmod 755 . && mkdir -m 1777 tmp shared && mkdir data data/inner', { P: place.path }),
    );
    const silent = await compileSilent(place.path);
    const uid = (await ok(sh(`id -u ${BAD}`))).trim();
    return new Scene(place, silent, uid, stack.move());
  }

  get tmp(): string {
    return `${this.place.path}/tmp`;
  }

  /** A program that ends with the test, before its place does. */
  async start(args: string[], user?: string): Promise<void> {
    this.#silents.push(this.#stack.use(await Silent.start([this.silent, ...args], user)));
  }

  /** Mounts there what never answers; it goes with the test. */
  async mountHung(path: string): Promise<void> {
    this.#stack.use(await HungMount.make(path, Number(this.uid)));
  }

  async filed(rules: string[] = []): Promise<Filed> {
    const filed = await Filed.start(this.place, {
      args: ["--sandbox", "--exec", "/usr", "--exec", "/bin", "--rw", `${this.place.path}/shared`, ...rules],
      env: { TMPDIR: this.tmp },
      config: { max_attempts: 1 },
    });
    await ok(filed.sh("cd $M && chmod 1777 pending active complete failed"));
    return filed;
  }

  /** Has a job of BAD tell of its folder, and wait. @returns The folder, and what ends the job. */
  async holdFolder(filed: Filed, command = ":"): Promise<{ folder: string; end(): Promise<void> }> {
    const up = await makeFifo(this.place, `up-${crypto.randomUUID()}`);
    const down = await makeFifo(this.place, `down-${crypto.randomUUID()}`);
    const { path } = this.place;
    await ok(sh(`mv ${up} ${path}/shared/up && mv ${down} ${path}/shared/down`));
    await submit(
      filed,
      BAD,
      "bad",
      `cd "$TMPDIR"\n${command}\npwd > ${path}/shared/up; read -r _ < ${path}/shared/down`,
    );
    const folder = (await Deno.readTextFile(`${path}/shared/up`)).trim();
    return {
      folder,
      end: async () => {
        await Deno.writeTextFile(`${path}/shared/down`, "end\n");
        await filed.finished("bad");
      },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const silent of this.#silents) silent.kill();
    await this.#stack.disposeAsync();
  }
}

async function submit(filed: Filed, user: string, id: string, command: string): Promise<void> {
  const script = 'printf %s "$C" > "$M/pending/$ID"';
  // Written by root, and given away: the shell's own user may not reach the mount's parent.
  await ok(sh(script, { M: filed.mount, ID: `.${id}`, C: command }));
  await ok(sh(`chown ${user}: "$M/pending/.$ID" && mv "$M/pending/.$ID" "$M/pending/$ID"`, {
    M: filed.mount,
    ID: id,
  }));
}

/** How long another user's job takes, from when it is taken from the queue to its end. */
async function startMs(filed: Filed, id: string): Promise<number> {
  await submit(filed, GOOD, id, "echo ran");
  assert.match(await filed.finished(id), /^ran$/m);
  const at = async (message: string) => Date.parse((await filed.event(message, { job: id }))["@timestamp"]);
  return await at("attempt ended") - await at("attempt started");
}

function untilGone(path: string): Promise<void> {
  return until(`the removal of ${path}`, async () => !await exists(path));
}

rootTest(
  "a rule's path that does not answer any more keeps no job from starting, and is named once",
  async () => {
    await using scene = await Scene.make();
    const { path } = scene.place;
    await using filed = await scene.filed(["--ro", `${path}/data/inner`]);
    await startMs(filed, "before");
    await scene.mountHung(`${path}/data`);
    const named = () =>
      filed.log.filter(({ message }) => message === "the path of a rule does not answer")
        .map(({ properties }) => properties.rule);
    // Until it is looked up again, and until that would be due once more.
    for (let job = 1, until = Infinity; performance.now() < until; job++) {
      const ms = await startMs(filed, `${job}`);
      assert.ok(ms < START_MS, `${job}: ${ms} ms`);
      if (named().length > 0 && until === Infinity) until = performance.now() + 2 * FRESH_MS;
    }
    assert.deepEqual(named(), [`--ro ${path}/data/inner`]);
  },
);

rootTest("filed does not start with a rule whose path does not answer, and names it", async () => {
  await using scene = await Scene.make();
  const { path } = scene.place;
  await scene.mountHung(`${path}/data`);
  await assert.rejects(
    scene.filed(["--ro", `${path}/data/inner`]),
    /Cannot keep --ro .*\/data\/inner: the file system there does not answer$/,
  );
});

for (const where of [".", "deep/er"]) {
  rootTest(`a folder goes in which something that does not answer is mounted at ${where}`, async () => {
    await using scene = await Scene.make();
    await using filed = await scene.filed();
    const { folder, end } = await scene.holdFolder(filed, "mkdir -p deep/er; touch deep/file");
    await scene.mountHung(`${folder}/${where}`);
    await end();
    const ms = await startMs(filed, "good");
    assert.ok(ms < START_MS, `${ms} ms`);
    await untilGone(folder.slice(0, folder.lastIndexOf("/")));
  });
}

rootTest("what is mounted in a folder is not entered, though it is of the same file system", async () => {
  await using scene = await Scene.make();
  const { path } = scene.place;
  await using filed = await scene.filed();
  await Deno.writeTextFile(`${path}/data/kept`, "kept");
  const { folder, end } = await scene.holdFolder(filed, "mkdir here");
  await ok(sh(`mount --bind ${path}/data ${folder}/here && mount --bind ${path}/data ${folder}`));
  await end();
  await untilGone(folder);
  assert.equal(await Deno.readTextFile(`${path}/data/kept`), "kept");
});

rootTest(
  "who holds the lock of a folder for ever keeps nobody from starting, and filed from no end",
  async () => {
    await using scene = await Scene.make();
    const { path } = scene.place;
    await using filed = await scene.filed();
    const { folder, end } = await scene.holdFolder(filed, "touch file");
    await scene.start(["serve", `${path}/data`, scene.uid]);
    await scene.start(["lock", folder, `${path}/data/file`], BAD);
    await end();
    for (const id of ["first", "second"]) {
      const ms = await startMs(filed, id);
      assert.ok(ms < START_MS, `${id}: ${ms} ms`);
    }
    await submit(filed, BAD, "own", "echo ran");
    assert.match(await filed.finished("own"), /^ran$/m);
    const from = performance.now();
    const { code } = await filed.stop();
    assert.equal(code, 0);
    assert.ok(performance.now() - from < 3_000, `the stop took ${performance.now() - from} ms`);
    await using _next = await scene.filed();
  },
);
