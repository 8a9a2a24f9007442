/** Writing and rewriting jobs in editors, on a terminal where they need one. */
import assert from "node:assert/strict";
import { holds, type Queue, submits, type Trial, tryAll } from "./trials.ts";
import { typing } from "./typing.ts";

const writeTwice = (options: string) =>
  typing([
    ["before", ":1s/before/between/\\r:w\\r"],
    ["written", ":1s/between/after/\\r:w\\r"],
    ["written", ":q\\r"],
  ], `vim -u DEFAULTS -i NONE --cmd "set backupskip= ${options}" "$P/$ID" > said`);

/**
 * A job that waits for a time to come is rewritten by the script; it is the same, its inode tells, and waits on; and then
 * runs once, as written last.
 */
function rewrites(name: string, script: string, ...drafts: string[]): Trial {
  return holds(
    `${name} rewrites a job, which stays the same one and keeps its time`,
    async (queue) => {
      await queue.ok(
        'echo "echo before" > "$P/.$ID" && touch -d 2099-01-01 "$P/.$ID" && mv "$P/.$ID" "$P/$ID"',
      );
      const inode = await inodeOf(queue);
      await queue.ok(script);
      assert.equal(await inodeOf(queue), inode, "it is another job");
      assert.equal(await mtimeOf(queue), "2099-01-01", "it would start now");
      for (const draft of drafts) await queue.ok(`rm "$P/$ID${draft}"`);
      await queue.ok('touch "$P/$ID"');
      assert.equal(await queue.finished(queue.id), ">>> echo after\nafter\n");
    },
    ...name.split(" "),
    script,
  );
}

async function mtimeOf(queue: Queue): Promise<string> {
  return (await queue.ok('stat -c %y "$P/$ID"')).slice(0, 10);
}

async function inodeOf(queue: Queue): Promise<string> {
  return await queue.ok('stat -c %i "$P/$ID"');
}

const nano = (options: string) =>
  typing(
    [["before", "\\x0becho after\\x0f"], ["Write", "\\r"], ["Wrote", "\\x18"]],
    `nano ${options} "$P/$ID" > said`,
  );

tryAll("editors", [
  submits("vim", `vim -u NONE -es '+w $P/$ID' +q job`),
  holds("vim writes a new job, which starts at the first :w", async (queue) => {
    const vim = 'vim -u DEFAULTS -i NONE "$P/$ID" > said';
    await queue.ok(typing([["New", "iecho typed\\x1b:w\\r"], ["written", ":q\\r"]], vim));
    assert.equal(await queue.finished(queue.id), ">>> echo typed\ntyped\n");
  }),
  holds("vim says that a job that has run can't be written again", async (queue) => {
    const ran = `!until [ -e $M/complete/$ID ]; do sleep 0.05; done`;
    const steps: [string, string][] = [["New", "iecho typed\\x1b:w\\r"], ["written", ran], ["", ":w\\r"], [
      "E212",
      ":q!\\r",
    ]];
    await queue.ok(typing(steps, 'vim -u DEFAULTS -i NONE "$P/$ID" > said'));
    assert.equal(await queue.finished(queue.id), ">>> echo typed\ntyped\n");
  }),
  rewrites("vim :w twice", writeTwice("")),
  rewrites("vim backupcopy=no", writeTwice("backupcopy=no")),
  rewrites("vim backupcopy=yes", writeTwice("backupcopy=yes")),
  rewrites("vim backup", writeTwice("backup backupcopy=no"), "~"),
  rewrites("vim noswapfile nowritebackup", writeTwice("noswapfile nowritebackup")),
  holds("vim keeps a swap file, and it never runs", async (queue) => {
    await queue.ok('echo "echo before" > "$P/.$ID"');
    const vim = 'vim -u DEFAULTS -i NONE "$P/.$ID"';
    await queue.ok(
      `${typing([["before", ":!ls -A $P > listed\\r"], ["Press ENTER", "\\r:q\\r"]], vim)} > said`,
    );
    assert.match(await queue.ok('cat listed; rm "$P/.$ID"'), new RegExp(`^\\.${queue.id}\\.swp$`, "m"));
  }),
  holds("nano writes a new job", async (queue) => {
    const keys: [string, string][] = [["New File", "echo typed\\x0f"], ["Write", "\\r"], ["Wrote", "\\x18"]];
    await queue.ok(typing(keys, 'nano "$P/$ID" > said'));
    assert.equal(await queue.finished(queue.id), ">>> echo typed\ntyped\n");
  }),
  rewrites("nano", nano("")),
  rewrites("nano --backup", nano("--backup"), "~"),
  rewrites("sed -i", 'sed -i s/before/after/ "$P/$ID"'),
  holds("sed -i.bak leaves the old command as a job", async (queue) => {
    await queue.ok(
      'echo "echo before" > "$P/.$ID" && touch -d 2099-01-01 "$P/.$ID" && mv "$P/.$ID" "$P/$ID"',
    );
    await queue.ok('sed -i.bak s/before/after/ "$P/$ID" && touch "$P/$ID.bak"');
    assert.equal(await queue.finished(queue.id), ">>> echo after\nafter\n");
    assert.equal(await queue.finished(`${queue.id}.bak`), ">>> echo before\nbefore\n");
  }),
  holds("patch changes a draft", async (queue) => {
    await queue.ok(`echo "echo before" > "$P/.$ID"
      printf '%s\\n' '--- a' '+++ a' '@@ -1 +1 @@' '-echo before' '+echo after' | patch -s "$P/.$ID"
      mv "$P/.$ID" "$P/$ID"`);
    assert.equal(await queue.finished(queue.id), ">>> echo after\nafter\n");
  }, "patch"),
  rewrites("perl -pi", 'perl -pi -e s/before/after/ "$P/$ID"'),
  rewrites("rsync", 'echo "echo after" > new && rsync new "$P/$ID"'),
  rewrites("rsync -a", 'echo "echo after" > new && touch -d 2099-01-01 new && rsync -a new "$P/$ID"'),
  rewrites("rsync --inplace", 'echo "echo after" > new && rsync --inplace new "$P/$ID"'),
  rewrites("cp", 'echo "echo after" > new && cp new "$P/$ID"'),
  rewrites("jq", `echo '{"after":"echo after"}' | jq -r .after > "$P/.$ID.new" && mv "$P/.$ID.new" "$P/$ID"`),
  rewrites(
    "python3 as write-file-atomic does",
    `python3 - "$P/$ID" <<'END'
import os, sys
path = sys.argv[1]
mode = os.stat(path).st_mode
temporary = os.open(path + ".1310408140", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
os.write(temporary, b"echo after\\n")
os.fsync(temporary)
os.fchmod(temporary, mode & 0o777)
os.close(temporary)
os.rename(path + ".1310408140", path)
END
`,
  ),
  rewrites("sponge", 'sed s/before/after/ "$P/$ID" | sponge "$P/$ID"'),
  rewrites(
    "python3 os.replace",
    `python3 - "$P/$ID" <<'END'
import os, sys, tempfile
path = sys.argv[1]
with tempfile.NamedTemporaryFile("w", dir=os.path.dirname(path), delete=False) as file:
    file.write("echo after\\n")
os.replace(file.name, path)
END
`,
  ),
]);
