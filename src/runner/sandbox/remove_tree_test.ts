import assert from "node:assert/strict";
import { Directory } from "../../sys/directory.ts";
import { cString } from "../../sys/libc.ts";
import { removeTree } from "./remove_tree.ts";

/** Scripts that fill the folder they run in, which is to be removed. `$OUT` is a folder that is to stay as it is. */
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
  Deno.test(`removeTree() removes ${name}, and nothing else`, async () => await removes(script));
}

Deno.test({
  name: "removeTree() removes what is immutable or can only be appended to",
  ignore: Deno.uid() !== 0,
  fn: async () =>
    await removes(
      "mkdir -p a/b; touch a/x a/b/y; chattr +i a/x a/b/y a/b a; mkdir c; touch c/z; chattr +a c/z c .",
    ),
});

async function removes(script: string): Promise<void> {
  const base = await Deno.makeTempDir({ prefix: "filed-remove-" });
  try {
    await Deno.mkdir(`${base}/out`);
    await Deno.writeTextFile(`${base}/out/kept`, "kept");
    await Deno.mkdir(`${base}/place/tree`, { recursive: true });
    const { success, stderr } = await new Deno.Command("sh", {
      args: ["-c", script],
      cwd: `${base}/place/tree`,
      env: { OUT: `${base}/out` },
    }).output();
    assert.ok(success, new TextDecoder().decode(stderr));
    {
      using place = Directory.open(`${base}/place`);
      assert.ok(await removeTree(place, cString("tree")));
    }
    assert.deepEqual([...Deno.readDirSync(`${base}/place`)], []);
    assert.equal(await Deno.readTextFile(`${base}/out/kept`), "kept");
    assert.deepEqual([...Deno.readDirSync(`${base}/out`)].map(({ name }) => name), ["kept"]);
  } finally {
    await Deno.remove(base, { recursive: true });
  }
}
