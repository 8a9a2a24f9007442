/**
 * Reading, searching, copying and clearing logs, by real programs; contract/reading_test.ts has the calls.
 */
import assert from "node:assert/strict";
import { COMMAND, holds, LOG, type Queue, type Trial, tryAll } from "./trials.ts";

/** A script that prints exactly that. */
function prints(name: string, script: string, expected: string | RegExp, ...needs: string[]): Trial {
  return holds(
    `${name} reads what is there`,
    async (queue) => {
      const printed = await queue.ok(script);
      if (typeof expected === "string") assert.equal(printed, expected);
      else assert.match(printed, expected);
    },
    ...name.split(" "),
    script,
    ...needs,
  );
}

/** A script that clears jobs, which were made for it: of `old`, `new` and `.draft`, these are left. */
function clears(name: string, script: string, ...left: string[]): Trial {
  return holds(`${name} clears the jobs that it finds`, async (queue) => {
    const ids = ["old", "new"].map((name) => `${queue.id}-${name}`);
    for (const id of ids) await queue.finish(id, "true");
    await queue.ok(`touch -d '9 days ago' "$M/complete/$ID-old"; ${script}`);
    const listed = (await queue.filed.list("complete")).filter((id) => id.startsWith(`${queue.id}-`));
    assert.deepEqual(listed, left.map((name) => `${queue.id}-${name}`));
  });
}

const WHY = "refused: it has a NUL byte (byte 2), which no command can have\n" +
  "Nothing of it runs, and what was there before is as it was. Mend it, and submit it again.\n";
const LINES = LOG.split("\n").slice(0, -1);

tryAll("reading", [
  prints("cat", 'cat "$M/complete/whole"', LOG),
  prints("head -c", 'head -c 20 "$M/complete/whole"', LOG.slice(0, 20)),
  prints("tail -n", 'tail -n 2 "$M/complete/whole"', `${LINES.slice(-2).join("\n")}\n`),
  prints("tail -c", 'tail -c 10 "$M/complete/whole"', LOG.slice(-10)),
  prints("less", 'less "$M/complete/whole"', LOG),
  prints("wc", 'wc "$M/complete/whole"', new RegExp(`^ *${LINES.length} +\\d+ +${LOG.length} `)),
  prints("sort", 'sort "$M/complete/whole" | LC_ALL=C sort', LINES.toSorted().join("\n") + "\n"),
  prints(
    "sha256sum",
    'sha256sum < "$M/complete/whole" > a; cat "$M/complete/whole" | sha256sum | cmp - a',
    "",
  ),
  prints("diff", 'cp "$M/complete/whole" copy; diff "$M/complete/whole" copy', ""),
  prints("file", 'file -b "$M/complete/whole" "$M/config.json"', /^.*ASCII text.*\nJSON/),
  prints("grep -r", 'grep -rl "this-is-not-a-program" "$M"', /\/failed\/missing\n$/),
  prints("rg", 'rg -l this-is-not-a-program "$M"', /\/failed\/missing\n$/),
  prints("rg --mmap", 'rg -c --mmap "^# " "$M/complete/whole"', `${LOG.match(/^# /gm)?.length}\n`),
  prints(
    "python3 mmap",
    `python3 -c '
import mmap, sys
with open(sys.argv[1], "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as log:
    sys.stdout.buffer.write(log[:])
' "$M/complete/whole"`,
    LOG,
  ),
  prints("dd bs=1 skip", 'dd if="$M/complete/whole" bs=1 skip=4 count=10 status=none', LOG.slice(4, 14)),
  prints("dd iflag=direct", 'dd if="$M/complete/whole" bs=64K iflag=direct status=none', LOG),
  prints(
    "ls",
    'ls "$M" "$M/failed"',
    /^.*:\nactive\ncomplete\nconfig.json\nfailed\nnew-id\npending\nwhy\n\n.*:\nmissing\n$/,
  ),
  prints("ls --time=birth", 'ls -la --time=birth --time-style=+%s "$M/complete/whole"', / [1-9]\d{9} /),
  prints("ls -t", 'ls -t "$M/complete/whole" "$M/complete/first" | xargs -n 1 basename', "first\nwhole\n"),
  prints("stat", 'stat -c "%F %s %h %a" "$M/complete/whole"', `regular file ${LOG.length} 1 444\n`),
  prints("stat of times", 'stat -c "%W %Y" "$M/complete/whole"', /^[1-9]\d{9} [1-9]\d{9}\n$/),
  prints("du", 'du -b "$M/complete/whole"', new RegExp(`^${LOG.length}\\t`)),
  prints("df", 'df --output=fstype,source "$M"; df "$M/complete/whole" > said', /fuse\.filed +filed/),
  prints(
    "find -size -newer",
    'find "$M/complete" -name whole -size +1k -mmin -60 -newer "$M/complete/old"',
    /whole\n$/,
  ),
  prints("find -exec", 'find "$M/failed" -type f -exec tail -n 1 {} +', "[System Error]: exit status 127\n"),
  prints("find -mtime", 'find "$M/complete" -name old -mtime +7', /old\n$/),
  prints("tar", 'tar c -C "$M" complete/whole failed | tar xO complete/whole', LOG),
  prints(
    "rsync out",
    'rsync -a "$M/complete/whole" "$M/failed" out/; cat out/whole; cmp out/failed/missing "$M/failed/missing"',
    LOG,
  ),
  prints(
    "cp -a out",
    'cp -a "$M/failed" "$M/complete/whole" .; cat whole; cmp failed/missing "$M/failed/missing"',
    LOG,
  ),
  prints(
    "python3 shutil.copytree",
    `python3 -c '
import shutil, sys
shutil.copytree(sys.argv[1], "out")
' "$M/failed"; cat out/missing`,
    /exit status 127\n$/,
  ),
  prints("cat of new-id", 'for _ in 1 2 3 4; do cat "$M/new-id"; done | sort -u | wc -l', "4\n"),
  ...[
    'cat "$M/why/refused"',
    'less "$M/why/refused"',
    'busybox cat "$M/why/refused"',
    'busybox cp "$M/why/refused" copy; cat copy',
    'rg --no-filename . "$M/why/refused"',
  ].map((script) => prints(`${script.split('"')[0]}of why/`, script, WHY)),
  prints(
    "rsync of directories",
    'rsync -a "$M/why" "$M/failed" out/; ls -A out/why out/failed',
    /:\nmissing\n\n.*why:\n$/,
  ),
  prints(
    "7z of directories",
    '7z a out.7z "$M/why" "$M/failed" > said; 7z l out.7z | grep -c why/ || :',
    "0\n",
  ),
  clears("find -delete", 'find "$M/complete" -name "$ID-*" -mtime +7 -delete', "new"),
  clears("find -exec rm", 'find "$M/complete" -name "$ID-*" -mmin -60 -exec rm {} +', "old"),
  clears("rm", 'rm "$M/complete/$ID-"*'),
  clears("rsync --remove-source-files", 'rsync --remove-source-files "$M/complete/$ID-old" .', "new"),
  clears("mv to another file system", 'mv "$M/complete/$ID-"* . && test -s "$ID-old"'),
], async (queue: Queue) => {
  await queue.filed.configure({ max_attempts: 1 });
  await queue.finish("old", "true");
  assert.equal(await queue.finish("whole", COMMAND), LOG);
  await queue.finish("first", "true");
  await queue.finish("missing", "this-is-not-a-program");
  await queue.ok('touch -d "9 days ago" "$M/complete/old"');
  assert.notEqual((await queue.sh("printf 'a\\0b' > $P/refused")).status, 0);
});
