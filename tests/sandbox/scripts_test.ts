/** Scripts and programs in the sandbox: what they may execute is in the rules, but for their own file. */
import assert from "node:assert/strict";
import { Filed, ok, Place, rootTest, run, sh } from "../harness.ts";
import { User } from "../users.ts";

/** A daemon whose jobs may execute that, with a folder for their files. */
async function sandboxed(place: Place, rules: string[], env: Record<string, string> = {}): Promise<Filed> {
  return await Filed.start(place, {
    args: ["--sandbox", ...rules],
    env,
    config: { max_attempts: 2, backoff_base: 0 },
  });
}

const HELLO = "#!/usr/bin/perl\nprint qq(hello from $0\\n);\n";

Deno.test("a script runs in the sandbox if a rule lets its interpreter be executed", async () => {
  await using place = await Place.make();
  await using filed = await sandboxed(place, ["--exec", "/usr"]);
  assert.match(await filed.finish("perl", HELLO), /\nhello from \/.*\/perl\n$/);
  assert.match(await filed.finish("env", HELLO.replace("perl", "env -S perl")), /\nhello from \/.*\/env\n$/);
});

Deno.test("without a rule for its interpreter it fails at once, and the log says which it takes", async () => {
  await using place = await Place.make();
  await using filed = await sandboxed(place, []);
  const reason = "/usr/bin/perl: permission denied (in the sandbox it takes a rule, --exec)";
  assert.ok((await filed.finish("job", HELLO)).endsWith(`[System Error]: not started: ${reason}\n`));
  assert.equal(filed.log.filter(({ message }) => message === "attempt ended").length, 1);
});

Deno.test("the base runs scripts of sh, long text, and programs", async () => {
  await using place = await Place.make();
  await using filed = await sandboxed(place, []);
  assert.match(await filed.finish("script", '#!/bin/sh\necho "$0"'), /\n\/.*\/script\n$/);
  await Deno.writeTextFile(
    `${place.path}/p.c`,
    '#include <stdio.h>\nint main() { return puts("compiled") < 0; }',
  );
  await ok(run(["cc", "-o", `${place.path}/p`, `${place.path}/p.c`]));
  await ok(run(["cp", `${place.path}/p`, `${filed.mount}/pending/program`]));
  assert.match(await filed.finished("program"), /\ncompiled\n$/);
});

rootTest("what is in memory runs in the sandbox as well", async () => {
  await using place = await Place.make();
  await using mounted = new AsyncDisposableStack();
  await ok(run(["mount", "-t", "tmpfs", "-o", "noexec", "none", place.path]));
  mounted.defer(async () => void await ok(run(["umount", "-l", place.path])));
  await using filed = await Filed.start(place, {
    args: ["--sandbox"],
    env: { TMPDIR: place.path },
    cwd: "/",
  });
  assert.match(await filed.finish("job", '#!/bin/sh\necho "$0"\n'), /\n\/proc\/self\/fd\/3\n$/);
  await ok(run(["cp", "/bin/true", `${filed.mount}/pending/program`]));
  assert.equal((await filed.finished("program")).includes("System Error"), false);
});

Deno.test("a sandboxed job has its own file, and no other job's", async () => {
  await using place = await Place.make();
  await ok(run(["mkfifo", `${place.path}/up`, `${place.path}/go`]));
  const rules = ["--exec", "/usr", "--rw", `${place.path}/up`, "--ro", `${place.path}/go`];
  await using filed = await sandboxed(place, rules);
  await filed.submit(
    "secret",
    `#!/bin/sh\n# s3cr3t\necho "$0" > ${place.path}/up\nread x < ${place.path}/go\ncat "$0"\n`,
  );
  const path = (await Deno.readTextFile(`${place.path}/up`)).trim();
  for (const [id, head] of [["text", ""], ["script", "#!/bin/sh\n"]] as const) {
    const log = await filed.finish(
      id,
      `${head}cat ${path}; ls ${path.replace(/[^/]*$/, "")}; touch ${path}; rm -f ${path}`,
    );
    assert.equal(log.match(/Permission denied|cannot remove/g)?.length, 4, log);
  }
  await Deno.writeTextFile(`${place.path}/go`, "\n");
  assert.match(await filed.finished("secret"), /s3cr3t/);
});

Deno.test("a sandboxed job can't write its own file, nor beside it", async () => {
  await using place = await Place.make();
  await using filed = await sandboxed(place, ["--exec", "/usr"]);
  const log = await filed.finish(
    "job",
    '#!/bin/sh\necho x >> "$0"\necho x > "${0%/*}/y"\nchmod 700 "$0" && echo x >> "$0"\n',
  );
  assert.equal(log.match(/Permission denied/g)?.length, 3, log);
});

rootTest("a user's script runs in the sandbox as that user", async () => {
  await using place = await Place.make();
  await Deno.chmod(place.path, 0o755);
  await using user = await User.at("/nonexistent");
  await using filed = await sandboxed(place, ["--exec", "/usr"]);
  await filed.admitAll();
  const SCRIPT = "#!/usr/bin/env -S perl -w\nprint qq($0 $<\\n);\n";
  await ok(sh('printf %s "$SCRIPT" > "$M/pending/job"', { SCRIPT, M: filed.mount }, { user: user.name }));
  assert.match(await filed.finished("job"), new RegExp(`\\n/.*/job ${user.uid}\\n$`));
});
