import assert from "node:assert/strict";
import { Directory } from "../../sys/files/directory.ts";
import { landlockAbi } from "../../sys/landlock.ts";
import { Reactor } from "../reactor.ts";
import { Removals } from "./removals.ts";

/**
 * Scripts that fill the folder they run in, which is to be removed. `$OUT` is a folder that is to stay as it
 * is.
 */
const TREES: [string, string][] = [
  ["nothing", ":"],
  ["files and folders", "mkdir -p a/b c; touch x a/y a/b/z"],
  [
    "symbolic links, broken ones too",
    'ln -s "$OUT" out; ln -s "$OUT/kept" kept; ln -s /nowhere none; mkdir a; ln -s "$OUT" a/',
  ],
  [
    "folders that may not be entered, listed or changed",
    "mkdir -p a/b/c d e; touch a/b/x d/x e/x; chmod 0 a/b a; chmod 600 d; chmod 500 e; chmod 0 .",
  ],
  [
    "names that are not UTF-8, and odd ones",
    `touch "$(printf '\\377')" "$(printf 'a\\nb')" ' ' ./-rf '\\'; mkdir "$(printf '\\376')"; touch "$(printf '\\376')/x"`,
  ],
  ["a hidden folder and a FIFO", "mkdir .a ...; touch .a/.b .../c; mkfifo f"],
  ["400 files and folders", "seq 200 | xargs touch; mkdir d; cd d; seq 200 | xargs -I% mkdir -p %/%"],
  ["1,000 levels", 'perl -e "mkdir q(d) and chdir q(d) or exit 1 for 1..1000"'],
];
for (const [name, script] of TREES) {
  Deno.test(`remove() removes ${name}, and nothing else`, () =>
    within(async ({ base, fill, remove, left }) => {
      await fill("tree", script);
      assert.ok(await remove("tree"));
      assert.deepEqual(left(), []);
      assert.equal(await Deno.readTextFile(`${base}/out/kept`), "kept");
    }));
}

Deno.test("remove() takes many of a user, and of more than one, at once", () =>
  within(async ({ fill, remove, left }) => {
    const names = Array.from({ length: 150 }, (_, index) => `tree-${index}`);
    for (const name of names) await fill(name, "mkdir a; touch a/x");
    assert.ok((await Promise.all(names.map((name, index) => remove(name, index % 3)))).every(Boolean));
    assert.deepEqual(left(), []);
  }));

Deno.test("remove() is content with what is gone", () =>
  within(async ({ remove }) => assert.ok(await remove("nothing"))));

Deno.test({
  name: "remove() says what it can't remove, and leaves it",
  ignore: Deno.uid() !== 0,
  fn: () =>
    within(async ({ base, fill, remove, left, warnings, run }) => {
      await fill("tree", "touch fixed");
      await fill("other", "touch x");
      await run("chattr +i place/tree/fixed");
      assert.deepEqual(await Promise.all([remove("tree"), remove("other")]), [false, true]);
      await run("chattr -i place/tree/fixed");
      assert.deepEqual(left(), ["tree"]);
      assert.deepEqual(warnings, [`${base}/place/tree`]);
    }),
});

Deno.test("what removes can't, even where it is led elsewhere", () =>
  within(async ({ base, fill, remove }) => {
    await fill("tree", "touch x");
    assert.equal(await remove("../../out", 0, "place/tree"), false);
    assert.equal(await Deno.readTextFile(`${base}/out/kept`), "kept");
  }));

for (const names of [["tree"], ["tree", "other"]]) {
  Deno.test({
    name: `stop() while mounts of ${names.length} are detached has no folder opened after that`,
    ignore: Deno.uid() !== 0,
    fn: () =>
      within(async ({ base, fill, left, removals, run }) => {
        for (const name of names) {
          await fill(name, ":");
          await run(`mount -t tmpfs none place/${name}`);
        }
        let isStopped = false;
        const open = () => {
          if (isStopped) throw new Error("the directory is closed");
          isStopped = true;
          removals.stop();
          return Directory.open(`${base}/place`);
        };
        const removing = names.map((name) =>
          removals.remove({ open, path: `${base}/place`, name, owner: 0 })
        );
        assert.deepEqual(await Promise.all(removing), names.map(() => false));
        assert.equal(left().length, names.length);
        await run("for t in place/*; do if mountpoint -q $t; then umount $t; fi; done");
      }),
  });
}

interface Scene {
  base: string;
  removals: Removals;
  warnings: unknown[];
  /** Makes a folder in `place` by a script. */
  fill(name: string, script: string): Promise<void>;
  run(script: string): Promise<void>;
  remove(name: string, owner?: number, around?: string): Promise<boolean>;
  left(): string[];
}

async function within(act: (scene: Scene) => Promise<void>): Promise<void> {
  const base = await Deno.realPath(await Deno.makeTempDir({ prefix: "filed-remove-" }));
  await using reactor = new Reactor();
  const warnings: unknown[] = [];
  const removals = new Removals({
    reactor,
    confined: { abi: landlockAbi(), proof: () => `${base}/proof` },
    what: "a folder",
    warn: (_, { folder }) => warnings.push(folder),
  });
  const run = async (script: string, cwd = base) => {
    const command = new Deno.Command("sh", { args: ["-c", script], cwd, env: { OUT: `${base}/out` } });
    const { success, stderr } = await command.output();
    assert.ok(success, new TextDecoder().decode(stderr));
  };
  try {
    await run("mkdir out place proof; printf kept > out/kept");
    await act({
      base,
      removals,
      warnings,
      run,
      fill: async (name, script) => {
        await Deno.mkdir(`${base}/place/${name}`);
        await run(script, `${base}/place/${name}`);
      },
      remove: (name, owner, around = "place") =>
        removals.remove({
          open: () => Directory.open(`${base}/${around}`),
          path: `${base}/${around}`,
          name,
          owner,
        }),
      left: () => [...Deno.readDirSync(`${base}/place`)].map(({ name }) => name),
    });
    await removals.idle();
  } finally {
    await Deno.remove(base, { recursive: true });
  }
}
