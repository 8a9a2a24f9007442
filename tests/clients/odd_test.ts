/** Odd but legal: other ways into the mount, and calls that few programs make. */
import assert from "node:assert/strict";
import { holds, LOG, refused, submits, type Trial, tryAll } from "./trials.ts";

const WAYS = ["O_SYNC", "O_DSYNC", "O_DIRECT", "mmap", "mmap-after-close", "sendfile", "splice"];
const MORE_WAYS = ["copy_file_range-within", "writev", "pwrite-backwards", "openat", "O_PATH", "fork"];

const inPython = (way: string, path = "$P/$ID") => `python3 "$CLIENTS/odd.py" ${way} "${path}" job`;

/** For root: a script that submits `COMMAND` as the job `$ID` where nobody else sees what it mounts. */
function unshared(name: string, script: string): Trial {
  return submits(name, `export LC_ALL=C; unshare --mount --propagation private sh -ec '${script}'`);
}

const ROOT_ONLY = [
  unshared("mount --bind", 'mkdir bound; mount --bind "$P" bound; cat job > "bound/$ID"'),
  unshared(
    "mount --bind of one file",
    ': > new; mount --bind "$M/new-id" new; [ -s new ]; cat job > "$P/$ID"',
  ),
  unshared("unshare -m", 'cat job > "$P/$ID"'),
  unshared(
    "chroot",
    "mkdir -p root/jobs root/usr; mount --bind /usr root/usr; ln -s usr/bin usr/lib usr/lib64 root; " +
      'mount --bind "$M" root/jobs; chroot root sh -c "cat > /jobs/pending/$ID" < job',
  ),
  unshared(
    "unshare --pid of a container",
    'unshare --pid --fork --mount-proc --uts --ipc sh -c "cat job > \\"$P/$ID\\""',
  ),
];

tryAll("odd", [
  ...[...WAYS, ...MORE_WAYS].map((way) => submits(`python3 ${way}`, inPython(way))),
  refused("python3 O_TMPFILE", inPython("O_TMPFILE"), /^Operation not supported$/m),
  refused(
    "python3 copy_file_range from elsewhere",
    inPython("copy_file_range"),
    /^Invalid cross-device link$/m,
  ),
  refused(
    "cc O_TMPFILE and linkat",
    'cc -o linkat "$CLIENTS/linkat.c" && ./linkat "$P" "$P/$ID"',
    /^open: Operation not supported$/m,
  ),

  submits("sh in the mount", '(cd "$P" && cat "$W/job" > "$ID")'),
  submits("sh in another of its directories", '(cd "$M/complete" && cat "$W/job" > "../pending/$ID")'),
  submits("sh through a link from outside", 'ln -s "$P" jobs && cat job > "jobs/$ID"'),
  submits("sh through a link to the file", 'ln -s "$P/$ID" link && cat job > link'),
  submits("sh with the path of a descriptor", 'exec 3> "$P/$ID"; cat job > /dev/fd/3'),
  holds("sh submits under a name of 255 bytes", async (queue) => {
    const id = "x".repeat(255);
    await queue.ok(`cat job > "$P/${id}"`);
    assert.equal(await queue.finished(id), LOG);
  }),
  ...Deno.uid() === 0 ? ROOT_ONLY : [],

  holds("fio writes a draft with io_uring", async (queue) => {
    await queue.ok(
      "fio --name=draft --ioengine=io_uring --rw=randwrite --bs=4k --iodepth=8 --size=64k --verify=crc32c --minimal " +
        '--filename="$P/.$ID" > said; rm "$P/.$ID"',
    );
  }, "fio"),
  holds("fio reads with io_uring and mmap what a job has said", async (queue) => {
    await queue.finish(queue.id, "head -c 65536 /dev/zero");
    for (const engine of ["io_uring", "mmap", "psync", "sync", "libaio"]) {
      await queue.ok(
        `fio --name=log --ioengine=${engine} --rw=randread --bs=4k --iodepth=8 --size=64k --readonly --minimal ` +
          '--filename="$M/complete/$ID" --allow_file_create=0 > said',
      );
    }
  }, "fio"),

  refused("sh with a path of 4000 bytes", 'n=$(printf "%04000d" 0); cat job > "$P/$n"', /File name too long/),
  refused(
    "sh with a path of 5000 bytes",
    'd=$(printf "./%.0s" $(seq 2500)); cat job > "$P/${d}x"',
    /File name too long/,
  ),
  refused("sh with a name of 256 bytes", 'n=$(printf "%0256d" 0); cat job > "$P/$n"', /File name too long/),
  refused(
    "sh with a name that is no text",
    'cat job > "$P/$(printf "a\\377")"',
    /Invalid argument|cannot create/,
  ),
  refused("sh outside of pending/", 'cat job > "$M/failed/$ID"', /Operation not permitted/),
  refused("sh in the mount's own directory", 'cat job > "$M/$ID"', /Invalid argument/),
  refused("sh in complete/", 'cat job > "$M/complete/$ID"', /Operation not permitted/),
  holds("setfattr and getfattr say that there are no attributes", async (queue) => {
    const { status, stderr } = await queue.sh(
      ': > "$P/.$ID"; setfattr -n user.a -v b "$P/.$ID"; s=$?; rm "$P/.$ID"; exit $s',
    );
    assert.notEqual(status, 0);
    assert.match(stderr, /Operation not supported/);
  }),
  holds("sh keeps a file that it moved away while it has it open", async (queue) => {
    await queue.finish(queue.id, `cat <<'END'\n${LOG}END\n`);
    assert.equal(await queue.ok('exec 3< "$M/complete/$ID"; rm "$M/complete/$ID"; tail -n 1 <&3'), "end\n");
  }),
]);
