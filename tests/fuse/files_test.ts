import assert from "node:assert/strict";
import { serve } from "./harness.ts";

Deno.test("a file is what was written to it", async () => {
  await using served = await serve();
  const script = "echo hello > a; cat a; printf more >> a; cat a; cp a b; cmp a b; stat -c '%s %a %F' b";
  assert.equal(await served.sh(script), "hello\nhello\nmore10 644 regular file\n");
  assert.deepEqual(served.bugs, []);
});

Deno.test("a megabyte goes through in pieces and comes back", async () => {
  await using served = await serve();
  const script =
    "head -c 1000000 /dev/urandom > /dev/shm/$$; cp /dev/shm/$$ big; cmp /dev/shm/$$ big; rm /dev/shm/$$;" +
    " dd if=big of=direct bs=64k iflag=direct oflag=direct 2>&1 | tail -1 >&2; wc -c < big";
  assert.equal(await served.sh(script), "1000000\n");
});

Deno.test("directories nest, and go when they are empty", async () => {
  await using served = await serve();
  const script = "mkdir -p d/e; echo x > d/e/f; rmdir d/e || ls -R; stat -c %h d; rm -r d; ls -a";
  const { out, err } = await served.run(script);
  assert.equal(out, ".:\nd\n\n./d:\ne\n\n./d/e:\nf\n3\n.\n..\n");
  assert.match(err, /Directory not empty/);
});

Deno.test("a rename replaces, and with NOREPLACE does not", async () => {
  await using served = await serve();
  const script =
    "echo 1 > a; echo 2 > b; mv a b; cat b; echo 3 > c; mv -n c b; cat b; mkdir d; mv b d/; cat d/b";
  assert.equal(await served.sh(script), "1\n1\n1\n");
});

Deno.test("a file is truncated and grows with zeros", async () => {
  await using served = await serve();
  const script = "echo hello > a; truncate -s 3 a; cat a; truncate -s 5 a; od -An -c a; : > a; stat -c %s a";
  assert.equal(await served.sh(script), "hel   h   e   l  \\0  \\0\n0\n");
});

Deno.test("sizes that no number holds are EFBIG", async () => {
  await using served = await serve();
  const { code, err } = await served.run("truncate -s 7E a");
  assert.notEqual(code, 0);
  assert.match(err, /File too large/);
  assert.deepEqual(served.bugs, []);
});

Deno.test("an appender's bytes go to the end", async () => {
  await using served = await serve();
  await served.sh("for i in 1 2 3 4; do (for j in 1 2 3 4 5; do echo $i$j >> log; done) & done; wait");
  assert.equal((await served.sh("sort -u log | wc -l")).trim(), "20");
});

Deno.test("times come through, before 1970 and to the microsecond", async () => {
  await using served = await serve();
  const script =
    "touch -d '1960-01-02 03:04:05.25' a; touch -d '2030-01-01 00:00:00.123456' b; stat -c %y a b";
  assert.equal(
    await served.sh(script),
    "1960-01-02 03:04:05.250000000 +0000\n2030-01-01 00:00:00.123456000 +0000\n",
  );
});

Deno.test("statx shows the birth", async () => {
  await using served = await serve();
  const before = Math.floor(Date.now() / 1000);
  const birth = Number(await served.sh("echo x > a; touch -d 2001-01-01 a; stat -c %W a"));
  assert.ok(birth >= before && birth <= Date.now() / 1000, String(birth));
});

Deno.test("an unlinked file lives on while it is open", async () => {
  await using served = await serve();
  const script =
    "echo hello > a; exec 3<a 4>>a; rm a; echo more >&4; cat <&3; stat -Lc '%h %s' /proc/self/fd/3; ls";
  assert.equal(await served.sh(script), "hello\nmore\n0 11\n");
});

Deno.test("every one of 5000 entries is listed once while they are removed", async () => {
  await using served = await serve();
  const python = `
import os
for i in range(5000): os.close(os.open(f"f{i}", os.O_CREAT | os.O_WRONLY))
seen = []
with os.scandir(".") as entries:
    for entry in entries:
        seen.append(entry.name)
        os.unlink(entry.name)
print(len(seen), len(set(seen)), len(os.listdir(".")))`;
  assert.equal(await served.sh(`python3 -c '${python}'`), "5000 5000 0\n");
});

Deno.test("names have 255 bytes at most and any letters", async () => {
  await using served = await serve();
  const script = `n=$(printf %0255d 0); : > $n; ls | wc -c; : > 'é b'; ls 'é b'; : > "\${n}0"`;
  const { out, err } = await served.run(script);
  assert.equal(out, "256\n'é b'\n".replaceAll("'", ""));
  assert.match(err, /File name too long/);
});

Deno.test("what a file system leaves out fails as on any that can't do it", async () => {
  await using served = await serve();
  const { err } = await served.run("ln -s a b; echo x > a; ln a c; mkfifo f; cat a >/dev/null && sync a");
  assert.equal(err.match(/Operation not permitted/g)?.length, 3, err);
});

Deno.test("a file that was forgotten is forgotten here too", async () => {
  const gone = Promise.withResolvers<void>();
  await using served = await serve();
  const forget = served.fs.forget.bind(served.fs);
  served.fs.forget = (nodeid, count) => {
    forget(nodeid, count);
    if (served.fs.nodes.size === 1) gone.resolve();
  };
  await served.sh(
    "mkdir d; for i in $(seq 50); do echo $i > d/$i; done; cat d/* >/dev/null; ls -l d >/dev/null",
  );
  assert.equal(served.fs.nodes.size, 52);
  await served.sh("rm -r d; cd /; echo 2 > /proc/sys/vm/drop_caches");
  await gone.promise;
  assert.deepEqual(served.bugs, []);
});
