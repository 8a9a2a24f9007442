/** Submitting by programs that copy, move, unpack and fetch files. */
import assert from "node:assert/strict";
import { COMMAND, holds, LOG, refused, submits, type Trial, tryAll } from "./trials.ts";

const OLD = "touch -d '2 days ago' job; chmod 640 job";

/** A script in which `$1` is a URL of `COMMAND`, on the loopback; the server says that it is old. */
function fetches(name: string, script: string): Trial {
  return holds(`${name} submits once, and the whole`, async (queue) => {
    const headers = { "last-modified": "Tue, 01 Sep 2020 12:00:00 GMT" };
    const answer = () => new Response(COMMAND, { headers });
    await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, answer);
    await queue.ok(`set -- http://127.0.0.1:${server.addr.port}/${queue.id}; ${script}`);
    assert.equal(await queue.finished(queue.id), LOG);
  }, ...name.split(" "));
}

/** A script that fails to submit `job` as `$ID`: it has the line ends of Windows. */
function asksWhy(name: string, script: string): Trial {
  return holds(
    `${name} is refused what can never run, and why/ says why`,
    async (queue) => {
      await queue.ok("printf 'echo a\\r\\n' > job");
      assert.notEqual((await queue.sh(script)).status, 0);
      assert.match(await queue.ok('cat "$M/why/$ID"'), /^refused: it has a carriage return/);
    },
    ...name.split(" "),
    script,
  );
}

tryAll("copying", [
  submits("cp", 'cp job "$P/$ID"'),
  submits("cp -p", `${OLD}; cp -p job "$P/$ID"`),
  submits("cp -a", `${OLD}; cp -a job "$P/$ID"`),
  submits("cp to a directory", 'mv job "$ID"; cp "$ID" "$P"'),
  submits("mv from another file system", `${OLD}; mv job "$P/$ID"; test ! -e job`),
  submits("install", 'install job "$P/$ID"'),
  submits("install -p -m -o", `${OLD}; install -p -m 750 -o "$(id -un)" job "$P/$ID"`),
  submits("dd bs=7", 'dd if=job of="$P/$ID" bs=7 status=none'),
  submits("dd conv=fsync", 'dd if=job of="$P/$ID" bs=512 conv=fsync status=none'),
  submits("dd oflag=dsync", 'dd if=job of="$P/$ID" bs=512 oflag=dsync status=none'),
  submits("dd oflag=direct", 'dd if=job of="$P/$ID" bs=64K oflag=direct status=none'),
  submits("dd oflag=append", 'dd if=job of="$P/$ID" bs=512 oflag=append conv=notrunc status=none'),
  submits("tar", 'mv job "$ID"; tar c "$ID" | tar x -C "$P"'),
  submits("tar -p of a directory", `${OLD}; mv job "$ID"; tar c "./$ID" | tar xp -C "$P"`),
  submits("rsync", 'rsync job "$P/$ID"'),
  submits("rsync -a", `${OLD}; rsync -a job "$P/$ID"`),
  submits("rsync --inplace", 'rsync --inplace job "$P/$ID"'),
  submits("rsync -a --inplace", `${OLD}; rsync -a --inplace job "$P/$ID"`),
  submits("rsync --partial", 'rsync --partial job "$P/$ID"'),
  submits("rsync --partial-dir", 'rsync --partial-dir=.parts job "$P/$ID"'),
  submits("rsync --fsync", 'rsync --fsync job "$P/$ID"'),
  submits("rsync -rt of a directory", 'mkdir d; mv job "d/$ID"; rsync -rt d/ "$P/"'),
  submits("busybox cp -p", `${OLD}; busybox cp -p job "$P/$ID"`),
  submits("busybox mv from another file system", `${OLD}; busybox mv job "$P/$ID"`),
  submits("busybox dd", 'busybox dd if=job of="$P/$ID" bs=7 2>said'),
  submits("busybox tar", 'mv job "$ID"; busybox tar c "$ID" | busybox tar x -C "$P"'),
  ...["copyto", "moveto"].map((how) =>
    submits(`rclone ${how}`, `${OLD}; rclone --config /dev/null ${how} job "$P/$ID" 2>&1`)
  ),
  submits(
    "rclone move",
    `${OLD}; mv job "$ID"; rclone --config /dev/null move "$ID" "$P" 2>&1; test ! -e "$ID"`,
  ),
  submits("7z x", `${OLD}; mv job "$ID"; 7z a a.7z "$ID" > said; 7z x "-o$P" a.7z > said`),
  fetches("wget -O", 'wget -q -O "$P/$ID" "$1"'),
  fetches("wget -P", 'wget -q -P "$P" "$1"'),
  fetches("curl -o", 'curl -sS -o "$P/$ID" "$1"'),
  fetches("curl -R -o", 'curl -sS -R -o "$P/$ID" "$1"'),
  fetches("busybox wget", 'busybox wget -q -O "$P/$ID" "$1"'),

  refused(
    "cp of what is too long",
    'truncate -s 17M long; cp long "$P/.$ID"; s=$?; rm -f "$P/.$ID"; exit $s',
    /File too large/,
  ),
  asksWhy("cp", 'cp job "$P/$ID"'),
  asksWhy("cat", 'cat job > "$P/$ID"'),
  asksWhy("dd", 'dd if=job of="$P/$ID" bs=4'),
  asksWhy("mv from another file system", 'mv job "$P/$ID"; s=$?; test -s job; exit $s'),
  asksWhy("mv of a draft", 'cp job "$P/.$ID"; mv "$P/.$ID" "$P/$ID"; s=$?; rm "$P/.$ID"; exit $s'),
  asksWhy("rsync", 'rsync -a job "$P/$ID"'),
  asksWhy("rsync --inplace", 'rsync --inplace job "$P/$ID"'),
  asksWhy("busybox cp", 'busybox cp job "$P/$ID"'),
  refused("cp over a job that ran", 'cp job "$M/complete/$ID"', /Operation not permitted/),
  refused(
    "cp -r of a directory",
    'mkdir d; cp -r d "$P/$ID"',
    /cannot create directory .*: Operation not permitted/,
  ),
  refused("cp -l", 'cp -l job "$P/$ID"', /Invalid cross-device link/),
  refused(
    "ln",
    'touch "$P/.$ID"; ln "$P/.$ID" "$P/$ID"; s=$?; rm "$P/.$ID"; exit $s',
    /Operation not permitted/,
  ),
  refused("ln -s", 'ln -s job "$P/$ID"', /Operation not permitted/),
  refused("mkfifo", 'mkfifo "$P/$ID"', /Operation not permitted/),
  refused("fallocate", 'fallocate -l 9 "$P/.$ID"; s=$?; rm "$P/.$ID"; exit $s', /Operation not supported/),
  holds("rsync --delay-updates says that it needs a directory, and submits nothing", async (queue) => {
    const { stdout, stderr } = await queue.sh('rsync --delay-updates job "$P/$ID"');
    assert.match(stdout + stderr, /Unable to create partial-dir/);
  }),
]);
