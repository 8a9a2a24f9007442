/**
 * Users who have as many long contents open as they may, each written over again and again, and jobs of 16 MiB that
 * start at the same time: filed stays below what the manual names, refuses more, and starts what root submits.
 */
import assert from "node:assert/strict";
import { type Filed, ok, rootTest, startFiled } from "../harness.ts";
import { peakBytes } from "../proc.ts";

/** As the manual has it, in *What each user may have in memory*. */
const MOST_BYTES = 500e6;
/** Users that every Debian has. */
const USERS = ["daemon", "bin", "sys", "games", "man"];
const JOBS = 20;

/** Holds all that a user may have, until its input ends. It prints why it got no more. */
const HOLD = `
import errno, os, pwd, sys
M, user = os.environ["M"], pwd.getpwnam(os.environ["USER"])
os.setgroups([])
os.setgid(user.pw_gid)
os.setuid(user.pw_uid)
BLOCK = 1 << 20
kept = []

def fill(file):
    for at in range(0, 16 * BLOCK, BLOCK):
        os.pwrite(file, os.urandom(BLOCK), at)

def hold(number):
    path = f"{M}/pending/.{user.pw_name}-{number}"
    file = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    kept.append(file)
    for _ in range(3):
        fill(file)
        os.close(os.dup(file)) # It is kept as it is now, for the next to be refused.
    os.pread(os.open(path, os.O_RDONLY), 1 << 20, 0)

number = 0
while True:
    try:
        hold(number)
    except OSError as error:
        print(errno.errorcode[error.errno], flush=True)
        break
    number += 1
sys.stdin.read()
`;

/** Starts it for a user. @returns Why that one got no more; disposing of it ends it. */
async function hold(filed: Filed, user: string) {
  const child = new Deno.Command("python3", {
    args: ["-c", HOLD],
    env: { M: filed.mount, USER: user },
    cwd: "/",
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const { value } = await reader.read();
  return {
    why: value?.trim(),
    async [Symbol.asyncDispose]() {
      await child.stdin.close();
      await child.status;
      await reader.cancel();
    },
  };
}

rootTest(
  "many users with many open contents of 16 MiB, and jobs as long, take no more memory than the manual says",
  async () => {
    await using filed = await startFiled({ config: { max_job_count: 0, max_attempts: 1 } });
    await filed.admitAll();
    const long = `${filed.place.path}/long`;
    await ok(
      filed.sh(`{ printf '#filed stdin=END\\ncksum\\nEND\\n'; head -c 16000000 /dev/urandom; } > ${long}`),
    );
    for (let job = 0; job < JOBS; job++) await ok(filed.sh(`cp ${long} $M/pending/job-${job}`));
    const expected = await ok(filed.sh(`tail -c 16000000 ${long} | cksum`));
    await using held = new AsyncDisposableStack();
    const reasons = new Set<string | undefined>();
    for (const user of USERS) reasons.add(held.use(await hold(filed, user)).why);
    assert.deepEqual([...reasons].sort(), ["EDQUOT", "ENOSPC"]);
    await filed.configure({ max_job_count: JOBS });
    for (let job = 0; job < JOBS; job++) {
      const log = await filed.finished(`job-${job}`);
      assert.ok(log.endsWith(`\n${expected}`), log.slice(-200));
    }
    const peak = await peakBytes(filed.pid);
    assert.ok(peak < MOST_BYTES, `filed has had ${peak} bytes`);
  },
);
