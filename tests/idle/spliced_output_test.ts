/** Output that is no copy: splice(2) moves a page of a file into the pipe, and the page may be none any more when it is read. */
import assert from "node:assert/strict";
import { exists, Filed, ok, Place, rootTest, run, startFiled, within } from "../harness.ts";
import { endProcessesWith } from "../worker/workshop.ts";
import { STOP_MS } from "../contract/expect.ts";

/** A file system with one file, of which the first page can be read, and nothing be written: then the kernel has no page of it. */
const SERVER = `
import ctypes, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
data = f"fd={device},rootmode=40755,user_id=0,group_id=0,allow_other".encode()
if libc.mount(b"odd", sys.argv[1].encode(), b"fuse", 0, data): raise OSError(ctypes.get_errno(), "mount")
if os.fork(): os._exit(0)
for fd in 0, 1, 2: os.close(fd)
LOOKUP, GETATTR, OPEN, READ, WRITE, INIT, FORGET, EIO, ENOSYS, KEEP_CACHE, SIZE = 1, 3, 14, 15, 16, 26, 2, 5, 38, 2, 4096
def attributes(ino, mode):
    return struct.pack("=QQQQQQIIIIIIIIII", ino, SIZE, 8, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)
ROOT, FILE = attributes(1, 0o40755), attributes(2, 0o100666)
def reply(unique, body=b"", error=0):
    os.write(device, struct.pack("=IiQ", 16 + len(body), -error, unique) + body)
ANSWERS, reads = sys.argv[2] == "answers", 0
while True:
    try:
        request = os.read(device, 1 << 21)
    except OSError:
        break # It was unmounted.
    length, opcode, unique, node = struct.unpack_from("=IIQQ", request)
    if opcode == INIT: reply(unique, struct.pack("=IIIIHHIIHHI7I", 7, 31, 0, 0, 16, 12, 65536, 1, 32, 0, 0, *[0] * 7))
    elif opcode == LOOKUP: reply(unique, struct.pack("=QQQQII", 2, 0, 1000, 1000, 0, 0) + FILE)
    elif opcode == GETATTR: reply(unique, struct.pack("=QII", 1000, 0, 0) + (ROOT if node == 1 else FILE))
    elif opcode == OPEN: reply(unique, struct.pack("=QII", 0, KEEP_CACHE, 0))
    elif opcode == READ:
        reads += 1
        if reads == 1 or ANSWERS: reply(unique, b"x" * SIZE)
        else: open(sys.argv[1] + "-is-asked", "w").close()
    elif opcode == WRITE: reply(unique, error=EIO)
    elif opcode != FORGET: reply(unique, error=ENOSYS)
`;

/** Moves a page into a pipe, spoils it, and moves it on into the output; with `locked`, while it waits for its server. */
const JOB = `
import ctypes, os, signal, sys
libc = ctypes.CDLL(None, use_errno=True)
def splice(source, target): assert libc.splice(source, None, target, None, 4096, 0) == 4096
print("before", flush=True)
file = os.open(sys.argv[1] + "/file", os.O_RDWR)
reader, writer = os.pipe()
splice(file, writer)
try: os.pwrite(file, b"y" * 4096, 0)
except OSError: pass
if sys.argv[2:] == ["locked"]:
    if os.fork() == 0:
        os.pread(file, 4096, 0)
        os._exit(0)
    while not os.path.exists(sys.argv[1] + "-is-asked"): pass
splice(reader, 1)
if sys.argv[2:] == ["locked"]:
    open(sys.argv[1] + "-is-spliced", "w").close()
    signal.pause()
`;

/** Serves SERVER's file system; whoever waits for it is told at its end that there is none any more. */
async function mountOdd(mountpoint: string, mode: "answers" | "hangs"): Promise<AsyncDisposable> {
  await Deno.mkdir(mountpoint);
  await ok(run(["python3", "-c", SERVER, mountpoint, mode]));
  return {
    async [Symbol.asyncDispose]() {
      try {
        await ok(run(["umount", "-f", "-l", mountpoint]));
      } finally {
        await endProcessesWith(mountpoint);
      }
    },
  };
}

rootTest("output that can't be read ends the output, and neither filed nor others' jobs", async () => {
  await using place = await Place.make();
  const mountpoint = `${place.path}/odd`;
  await using filed = await startFiled({ config: { max_attempts: 1 } });
  await using _odd = await mountOdd(mountpoint, "answers");
  await Deno.writeTextFile(`${place.path}/job.py`, JOB);
  await filed.submit("odd", `exec python3 ${place.path}/job.py ${mountpoint}`);
  assert.match(await filed.finished("odd"), /^before$/m);
  assert.match(await filed.finish("other", "echo started"), /^started$/m);
});

/** Users that every Debian has. */
const [ATTACKER, OTHER] = ["games", "daemon"] as const;

/** Everybody may submit, and the users' jobs reach the place. */
async function open(filed: Filed, place: Place): Promise<void> {
  await Deno.chmod(place.path, 0o777);
  await filed.admitAll();
  await Deno.writeTextFile(`${place.path}/job.py`, JOB);
}

/** Has a job of the attacker's wait, with a page in its output that never comes. */
async function lockOutput(filed: Filed, place: Place, id: string, mountpoint: string): Promise<void> {
  const command = `PATH=/usr/bin:/bin exec python3 ${place.path}/job.py ${mountpoint} locked`;
  await ok(filed.sh(`echo "${command}" > $M/pending/${id}`, { user: ATTACKER }));
  await within("the page in the output", async () => {
    while (!await exists(`${mountpoint}-is-spliced`)) await filed.list("active");
  });
}

rootTest("output that nobody can read for ever keeps neither others' jobs nor a stop waiting", async () => {
  await using place = await Place.make();
  const mountpoint = `${place.path}/odd`;
  await using filed = await startFiled({ config: { max_attempts: 1 } });
  await using _odd = await mountOdd(mountpoint, "hangs");
  await open(filed, place);
  await lockOutput(filed, place, "odd", mountpoint);
  for (const id of ["one", "two", "three"]) {
    await ok(filed.sh(`echo 'echo started' > $M/pending/${id}`, { user: OTHER }));
    assert.match(await filed.finished(id), /\nstarted\n/);
  }
  const stopping = performance.now();
  await within("the stop", () => filed.stop());
  assert.ok(performance.now() - stopping < STOP_MS, `${performance.now() - stopping} ms`);
  await using next = await Filed.start(filed.place);
  assert.match(await next.finish("next", "echo again"), /\nagain\n/);
});

rootTest(
  "a user whose output nobody can read three times starts no more jobs until it can be read",
  async () => {
    await using place = await Place.make();
    await using filed = await startFiled({ config: { max_attempts: 1 } });
    await using mounts = new AsyncDisposableStack();
    await open(filed, place);
    const ids = ["odd-1", "odd-2", "odd-3"];
    for (const id of ids) {
      const mountpoint = `${place.path}/${id}`;
      mounts.use(await mountOdd(mountpoint, "hangs"));
      await lockOutput(filed, place, id, mountpoint);
    }
    for (const id of ids) await ok(filed.sh(`rm $M/active/${id}`));
    for (const id of ids) await filed.event("attempt ended", { job: id });
    const last = await within("a job that is put off", async () => {
      for (let n = 0;; n++) {
        const job = `more-${n}`;
        await ok(filed.sh(`echo 'echo started' > $M/pending/${job}`, { user: ATTACKER }));
        const events = ["attempt put off", "attempt ended"].map((message) => filed.event(message, { job }));
        if ((await Promise.race(events)).message === "attempt put off") return job;
      }
    });
    const { properties } = await filed.event("cannot start a user's jobs");
    assert.equal(properties.missing, "an end of what reads the output of the job's user");
    await ok(filed.sh("echo 'echo started' > $M/pending/other", { user: OTHER }));
    assert.match(await filed.finished("other"), /\nstarted\n/);
    assert.deepEqual(await filed.list("pending"), [last]);
    await mounts.disposeAsync();
    assert.match(await filed.finished(last), /\nstarted\n/);
  },
);
