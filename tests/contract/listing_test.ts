/** Directories: every entry once, whatever is removed or added while somebody goes through them. */
import assert from "node:assert/strict";
import { fails, ok, startFiled } from "../harness.ts";
import { fill, settled, startPaused } from "./expect.ts";

/** Fills several READDIRs, the names being long. */
const MANY = 700;
const THOUSANDS = 2_000;

Deno.test("ls lists thousands of entries, each once, with . and ..", async () => {
  await using filed = await startPaused();
  const names = await fill(filed, "pending", THOUSANDS, 5);
  const listed = (await ok(filed.sh("ls -a $M/pending"))).trim().split("\n");
  assert.deepEqual(listed, [".", "..", ...names]);
});

Deno.test("find tells files from directories, and sees the whole mount", async () => {
  await using filed = await startFiled();
  await filed.submit(".x", "true");
  const files = await ok(filed.sh("cd $M && find . -type f | sort && find . -type d | sort"));
  assert.deepEqual(files.trim().split("\n"), [
    "./config.json",
    "./new-id",
    "./pending/.x",
    ".",
    "./active",
    "./complete",
    "./failed",
    "./pending",
    "./why",
  ]);
});

Deno.test("who removes each entry as it comes sees every one once", async () => {
  await using filed = await startPaused();
  await fill(filed, "failed", MANY);
  await ok(filed.python(`
seen = []
for entry in os.scandir(M + "/failed"):
    seen.append(entry.name)
    os.unlink(entry.path)
assert len(seen) == len(set(seen)) == ${MANY}, (len(seen), len(set(seen)))
assert os.listdir(M + "/failed") == []
`));
});

Deno.test("who removes other entries than the current one still sees all that stay", async () => {
  await using filed = await startPaused();
  await fill(filed, "pending", MANY);
  await ok(filed.python(`
names = sorted(os.listdir(M + "/pending"))
gone, stay = set(names[::2]), set(names[1::2])
seen = []
for entry in os.scandir(M + "/pending"):
    seen.append(entry.name)
    if gone:
        os.unlink(M + "/pending/" + gone.pop())
assert len(seen) == len(set(seen))
assert stay <= set(seen), len(stay - set(seen))
`));
});

Deno.test("who adds entries while listing sees all that were there, each once", async () => {
  await using filed = await startPaused();
  await fill(filed, "pending", MANY);
  await ok(filed.python(`
names = set(os.listdir(M + "/pending"))
seen = []
for index, entry in enumerate(os.scandir(M + "/pending")):
    seen.append(entry.name)
    if index < ${MANY}:
        os.mknod(M + f"/pending/.new-{index}")
assert len(seen) == len(set(seen))
assert names <= set(seen), len(names - set(seen))
`));
});

Deno.test("who renames each entry as it comes sees every one once", async () => {
  await using filed = await startPaused();
  await fill(filed, "pending", MANY);
  await ok(filed.python(`
seen = []
for entry in os.scandir(M + "/pending"):
    seen.append(entry.name)
    os.rename(entry.path, M + "/pending/." + entry.name)
assert sorted(seen) == [f"{number + 1:0120}" for number in range(${MANY})], len(seen)
`));
});

Deno.test("find -delete empties a directory of thousands", async () => {
  await using filed = await startPaused();
  await fill(filed, "failed", THOUSANDS, 5);
  await ok(filed.sh("find $M/failed -mindepth 1 -delete"));
  assert.deepEqual(await filed.list("failed"), []);
});

Deno.test("rm -r empties a directory of thousands, and is refused the directory itself", async () => {
  await using filed = await startPaused();
  await fill(filed, "failed", MANY);
  await fails(filed.sh("rm -r $M/failed"), /cannot remove '[^']*\/failed': Operation not permitted\n$/);
  assert.deepEqual(await filed.list("failed"), []);
});

Deno.test("find -mtime removes what ended more than a week ago, and nothing else", async () => {
  await using filed = await startFiled();
  for (let index = 0; index < 100; index++) await filed.submit(`job-${index}`, "true");
  await settled(filed);
  await filed.events("attempt ended", { state: "complete" }, 101);
  await ok(filed.sh("cd $M/complete && touch -d '-9 days' job-*[02468]"));
  await ok(filed.sh("find $M/complete -mtime +7 -delete"));
  const left = (await filed.list("complete")).filter((id) => id.startsWith("job-"));
  assert.equal(left.length, 50);
  assert.deepEqual(left.filter((id) => /[02468]$/.test(id)), []);
});

Deno.test("a directory can be listed again from the start or from a place remembered", async () => {
  await using filed = await startPaused();
  await fill(filed, "pending", MANY);
  await ok(filed.sh(`perl -e '
    opendir my $d, "$ENV{M}/pending" or die;
    my @all = readdir $d;
    rewinddir $d;
    my @again = readdir $d;
    "@all" eq "@again" or die "rewinddir";
    rewinddir $d;
    readdir $d for 1 .. 500;
    my $place = telldir $d;
    my $next = readdir $d;
    my @rest = readdir $d;
    unlink "$ENV{M}/pending/$all[$_]" for 100 .. 199;
    seekdir $d, $place;
    readdir $d eq $next or die "seekdir";
    join(" ", readdir $d) eq "@rest" or die "the rest";
  '`));
});

Deno.test("a listing begun again shows what has changed", async () => {
  await using filed = await startPaused();
  await ok(filed.sh(`perl -e '
    opendir my $d, "$ENV{M}/pending" or die;
    my @before = readdir $d;
    open my $f, ">", "$ENV{M}/pending/x" or die;
    rewinddir $d;
    (grep { $_ eq "x" } readdir $d) == 1 or die "not listed";
  '`));
});
