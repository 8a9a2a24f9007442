/** Ids: which names a job may have, and that no two jobs have the same one. */
import assert from "node:assert/strict";
import { fails, type Filed, ok, startFiled } from "../harness.ts";
import { assertStarted, open, read, refuses, startPaused } from "./expect.ts";

const GOOD = {
  "one byte": "x",
  "255 bytes": "x".repeat(255),
  "255 bytes in 128 characters": "é".repeat(127) + "x",
  "255 bytes, most in 4-byte characters": "🙂".repeat(63) + "abc",
  "spaces at its ends": " a b ",
  "an option": "-rf",
  "what a shell would expand": "$(id) `id` *?[a] \\ '\"",
  "several scripts": "été-日本語-عربى-🙂",
  "a byte order mark": "\ufeffx",
  "a dot inside and a tilde in front": "~a.b~c",
  "invisible characters that are no control characters": "a\u200db\u00a0c",
};

Deno.test("an id of 1 to 255 bytes of UTF-8 is listed, run and known to the job by the same bytes", async () => {
  await using filed = await startFiled();
  for (const [what, id] of Object.entries(GOOD)) {
    const log = await filed.finish(id, 'printf %s "$FILED_JOB_ID"');
    assert.equal(log, `>>> printf %s "$FILED_JOB_ID"\n${id}`, what);
  }
  assert.deepEqual(await filed.list("complete"), Object.values(GOOD).sort());
});

const BAD = {
  "a newline": "a\nb",
  "a tab": "a\tb",
  "ESC": "\x1b[31m",
  "DEL": "a\x7f",
  "the first control character": "\x01",
  "a C1 control character": "a\u0085b",
};

Deno.test("a name with a control character is EINVAL, to create or to rename to", async () => {
  await using filed = await startPaused();
  await filed.submit(".draft", "true");
  for (const [what, id] of Object.entries(BAD)) {
    await refuses("EINVAL", filed.submit(id, "true"), what);
    await refuses(
      "EINVAL",
      Deno.rename(`${filed.mount}/pending/.draft`, `${filed.mount}/pending/${id}`),
      what,
    );
  }
  assert.deepEqual(await filed.list("pending"), [".draft"]);
});

Deno.test("touch reports an invalid name in its own words", async () => {
  await using filed = await startFiled();
  await fails(filed.sh(`touch "$M/pending/$(printf 'a\\nb')"`), /Invalid argument/);
});

Deno.test("a name that is no UTF-8 is EINVAL", async () => {
  await using filed = await startFiled();
  await ok(filed.python(`
import errno
invalid = {
    "a lone byte": b"\\xff",
    "a cut character": b"a\\xe2\\x82",
    "an overlong slash": b"\\xc0\\xaf",
    "a surrogate": b"\\xed\\xa0\\x80",
    "a code point past the last": b"\\xf4\\x90\\x80\\x80",
}
for what, name in invalid.items():
    path = os.fsencode(M) + b"/pending/" + name
    for act in (lambda: os.open(path, os.O_CREAT | os.O_WRONLY), lambda: os.mknod(path)):
        try:
            act()
        except OSError as error:
            assert error.errno == errno.EINVAL, (what, error)
        else:
            raise SystemExit(what + " was made")
`));
  assert.deepEqual(await filed.list("pending"), []);
});

Deno.test("a name past 255 bytes is ENAMETOOLONG, to create, to look at or to rename to", async () => {
  await using filed = await startPaused();
  await filed.submit(".draft", "true");
  for (const id of ["x".repeat(256), "日".repeat(86), "x".repeat(1_000)]) {
    await refuses("ENAMETOOLONG", filed.submit(id, "true"));
    await refuses("ENAMETOOLONG", Deno.lstat(`${filed.mount}/pending/${id}`));
    await refuses(
      "ENAMETOOLONG",
      Deno.rename(`${filed.mount}/pending/.draft`, `${filed.mount}/pending/${id}`),
    );
  }
});

Deno.test("touch reports a name that is too long in its own words", async () => {
  await using filed = await startFiled();
  await fails(filed.sh(`touch "$M/pending/$(printf %0256d 0)"`), /File name too long/);
});

Deno.test("letters that differ in case or in composition make different ids", async () => {
  await using filed = await startPaused();
  for (const id of ["a", "A", "\u00e9", "e\u0301"]) await filed.submit(id, `echo ${id}`);
  assert.deepEqual(await filed.list("pending"), ["a", "A", "\u00e9", "e\u0301"].sort());
  assert.equal(await read(filed, "pending/A"), "echo A");
});

/** A daemon with a job "x" in each state in turn, held there until the end. */
const IN_STATE = {
  active: async (filed: Filed) => {
    await filed.submit("x", "echo x; exec sleep 600");
    await filed.event("attempt started", { job: "x" });
  },
  complete: async (filed: Filed) => void await filed.finish("x", "echo x"),
  failed: async (filed: Filed) => {
    await filed.configure({ max_attempts: 1 });
    await filed.finish("x", "echo x; exit 1");
  },
} as const;

for (const [state, make] of Object.entries(IN_STATE)) {
  Deno.test(`creating a name that exists in ${state}/ is EEXIST`, async () => {
    await using filed = await startFiled();
    await make(filed);
    await refuses("EEXIST", filed.submit("x", "echo other"));
    await refuses("EEXIST", open(filed, "pending/x", { createNew: true, write: true }));
    await refuses("EEXIST", open(filed, "pending/x", { create: true, append: true }));
    await fails(filed.sh("echo 'echo other' > $M/pending/x"), /File exists/);
    await fails(filed.sh("touch $M/pending/x"), /File exists/);
    await fails(filed.sh("cp /etc/passwd $M/pending/x"), /File exists/);
    assert.deepEqual(await filed.list("pending"), []);
    assert.deepEqual(await filed.list(state), ["x"]);
  });

  Deno.test(`renaming a draft to a name that exists in ${state}/ is EEXIST, and keeps both`, async () => {
    await using filed = await startFiled();
    await make(filed);
    await filed.submit(".x", "echo other");
    await refuses("EEXIST", Deno.rename(`${filed.mount}/pending/.x`, `${filed.mount}/pending/x`));
    // coreutils 9.1 looks for what is in the way at a path where nothing is, and may then name it wrongly.
    await fails(filed.sh("mv $M/pending/.x $M/pending/x"), /File exists|cannot (overwrite|move)/);
    assert.deepEqual(await filed.list("pending"), [".x"]);
    assert.deepEqual(await filed.list(state), ["x"]);
  });
}

Deno.test("an id is free again once its job was removed", async () => {
  await using filed = await startFiled();
  await filed.finish("x", "echo first");
  await Deno.remove(`${filed.mount}/complete/x`);
  await filed.submit("x", "echo second");
  await filed.events("attempt ended", { job: "x", state: "complete" }, 2);
  assert.equal(await read(filed, "complete/x"), ">>> echo second\nsecond\n");
});

Deno.test("creating exclusively what is pending is EEXIST", async () => {
  await using filed = await startPaused();
  await filed.submit("x", "echo first");
  await refuses("EEXIST", open(filed, "pending/x", { createNew: true, write: true }));
  await fails(filed.sh("set -C; echo second > $M/pending/x"), /File exists|cannot create/);
  assert.equal(await read(filed, "pending/x"), "echo first");
});

Deno.test("of twenty that create one name exclusively at once, one succeeds", async () => {
  await using filed = await startFiled();
  const script =
    'for n in $(seq 20); do (set -C; echo "echo $n" > $M/pending/x) 2>/dev/null && echo $n & done; wait';
  const winners = (await ok(filed.sh(script))).trim().split("\n");
  assert.equal(winners.length, 1);
  await assertStarted(filed, "x");
  assert.equal(await read(filed, "complete/x"), `>>> echo ${winners[0]}\n${winners[0]}\n`);
});
