/**
 * One user who makes as many as possible of all that is in memory: filed stays below 300 MB, refuses more in
 * time, and serves the others. What counts is the most that it ever had resident: no limit of the kernel says
 * it on every machine, and the files that it has mapped are counted too.
 */
import assert from "node:assert/strict";
import { type Filed, ok, rootTest, startFiled, within } from "../harness.ts";
import { peakBytes } from "../proc.ts";
import { TextLineStream } from "../text_lines.ts";

const MOST_BYTES = 300e6;
/** Users that every Debian has. */
const [ANN, BOB] = ["daemon", "bin"] as const;

/** Each line of the output is what an attacker came to; all of them go on until the input ends. */
const ATTACK = `
import errno, os, pwd, resource, signal, sys
M, user = os.environ["M"], pwd.getpwnam(os.environ["ATTACKER"])
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
os.setgroups([])
os.setgid(user.pw_gid)
os.setuid(user.pw_uid)
BIG = b"A" * 131071
kept = []

def say(text):
    os.write(1, (text + "\\n").encode())

def fill(what, step):
    """Makes more and more, and never gives any back."""
    number, said = 0, set()
    while True:
        number += 1
        try:
            step(f"{M}/pending/.{what}-{number}")
        except OSError as error:
            code = errno.errorcode[error.errno]
            if code not in said:
                say(f"{what} {code}")
            said.add(code)

def removed(path):
    file = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
    kept.append(file)
    os.unlink(path)
    os.pwrite(file, BIG, 0)

def draft(path):
    file = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
    kept.append(file)
    os.pwrite(file, BIG, 0)

def held(path):
    file = os.open(path.replace("/.", "/"), os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o644)
    kept.append(file)
    os.pwrite(file, b":", 0)
    os.close(os.dup(file)) # It has its place in the queue now.

def opens(path):
    return lambda _: kept.append(os.open(M + path, os.O_RDONLY))

def rewrite(path):
    file = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
    os.pwrite(file, BIG, 0)
    wait("rewrite")
    while True:
        os.pwrite(file, b"B", 131070)

def read(path):
    file = os.open(path, os.O_RDONLY)
    wait("read")
    while True:
        os.pread(file, 1 << 20, 0)

def list_all(path):
    wait("list")
    while True:
        os.listdir(path)

def wait(what):
    say(f"{what} waits")
    signal.sigwait({signal.SIGUSR1})
    say(f"{what} runs")

children = []
def start(act, *args):
    child = os.fork()
    if child == 0:
        os.close(0)
        act(*args)
    children.append(child)

try:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    start(rewrite, M + "/pending/.rewritten")
    start(read, M + "/complete/long")
    for _ in range(4):
        start(list_all, M + "/pending")
    runners = list(children)
    sys.stdin.buffer.readline()
    start(fill, "removed", removed)
    start(fill, "draft", draft)
    sys.stdin.buffer.readline()
    for name, step in [
        ("held", held),
        ("config", opens("/config.json")),
        ("new-id", opens("/new-id")),
        ("log", opens("/complete/long")),
    ]:
        start(fill, name, step)
    sys.stdin.buffer.readline()
    for runner in runners:
        os.kill(runner, signal.SIGUSR1)
    sys.stdin.buffer.read()
finally:
    for child in children:
        os.kill(child, signal.SIGKILL)
    for child in children:
        os.waitpid(child, 0)
`;

/** Who goes on without end, and what the others come to. */
const RUNNERS = ["list", "list", "list", "list", "read", "rewrite"];
const REFUSED = {
  bytes: ["removed EDQUOT", "draft EDQUOT"],
  handles: ["removed", "draft", "held", "config", "new-id", "log"].map((name) => `${name} EMFILE`),
};

/** Starts the attack. Disposing of it ends it. */
function attack(filed: Filed) {
  const child = new Deno.Command("python3", {
    args: ["-c", ATTACK],
    env: { M: filed.mount, ATTACKER: ANN },
    cwd: "/",
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  const lines = child.stdout.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream())
    .getReader();
  return {
    goOn: () => writer.write(new Uint8Array([10])),
    /** Waits until attackers have said all of this, in any order. */
    async come(expected: readonly string[]): Promise<void> {
      const left = [...expected];
      await within(`attackers to say ${expected}`, async () => {
        while (left.length > 0) {
          const { value, done } = await lines.read();
          assert.ok(!done, `the attackers have ended; left: ${left}`);
          const index = left.indexOf(value);
          if (index >= 0) left.splice(index, 1);
        }
      });
    },
    async [Symbol.asyncDispose]() {
      try {
        await writer.close(); // Which ends it, and what it has started.
        await within("the attackers' end", () => child.status);
      } finally {
        await child[Symbol.asyncDispose]();
        await lines.cancel();
      }
    },
  };
}

rootTest("one user can't have filed use much memory, nor keep it from serving others", async () => {
  await using filed = await startFiled();
  await filed.admitAll();
  await filed.finish("long", "yes | head -c 1000000");
  {
    await using attackers = attack(filed);
    await attackers.come(RUNNERS.map((name) => `${name} waits`));
    await attackers.goOn();
    await attackers.come(REFUSED.bytes);
    await attackers.goOn();
    await attackers.come(REFUSED.handles);
    await attackers.goOn();
    await attackers.come(RUNNERS.map((name) => `${name} runs`));
    for (let job = 0; job < 5; job++) {
      await ok(filed.sh(`echo 'echo served' > $M/pending/bob-${job}`, { user: BOB }));
      assert.match(await filed.finished(`bob-${job}`), /^served$/m);
    }
  }
  const peak = await peakBytes(filed.pid);
  assert.ok(peak < MOST_BYTES, `filed has had ${peak} bytes`);
  await ok(
    filed.sh("for i in $(seq 200); do echo 'echo again' > $M/pending/ann-$i || exit; done", { user: ANN }),
  );
  assert.match(await filed.finished("ann-200"), /^again$/m);
});
