/**
 * The process of another user's job: each attribute that login(1), cron(8) and sshd(8) set up for who logs
 * in, and that setuid(2) alone would leave as root's. run_as_test.ts says whom a job runs as.
 */
import assert from "node:assert/strict";
import { type Filed, type FiledOptions, ok, rootTest, run, startFiled } from "../harness.ts";

/** A user that every Debian has, with a group of the same name. */
const [USER, UID] = ["daemon", 1] as const;

/** What the kernel has no text for: prctl(2) and keyctl(2), by Python. */
const CALLS = `
import ctypes, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
PR_SET_SECUREBITS, PR_GET_SECUREBITS, SECBIT_NO_SETUID_FIXUP = 28, 27, 4
KEYCTL, ADD_KEY = (219, 217) if os.uname().machine == "aarch64" else (250, 248)
JOIN, DESCRIBE, LINK, SEARCH = 1, 6, 8, 10
SESSION, USERS = ctypes.c_long(-3), ctypes.c_long(-4)
def keyctl(*args):
    return libc.syscall(KEYCTL, *args)
def add_key(name, value=b"secret"):
    return libc.syscall(ADD_KEY, b"user", name, value, len(value), SESSION)
def has_key(name):
    return keyctl(SEARCH, SESSION, b"user", name, 0) != -1
`;

/** Gives a daemon of root what no job of another user is to have, and becomes it. */
const PREFIX = [
  "python3",
  "-c",
  `${CALLS}
keyctl(JOIN, None)
add_key(b"filed-roots")
os.umask(0)
os.setgroups([0, 4, 24])
try:
    with open("/proc/self/oom_score_adj", "w") as score: score.write("-500")
except PermissionError: pass # A container may not let root be spared: src/worker/start/oom_score_test.ts
if os.path.exists("/proc/self/loginuid"): open("/proc/self/loginuid", "w").write("0")
header = struct.pack("<II", 0x20080522, 0)
sets = (ctypes.c_uint32 * 6)()
libc.capget(header, sets)
sets[2] = sets[1]
libc.capset(header, sets)
libc.prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0)
os.execvp(sys.argv[1], sys.argv[1:])`,
];

/** Each as one line: its name, and what the job has. */
const REPORT = `
grep -E '^(Uid|Gid|Groups|Umask|Cap(Inh|Prm|Eff|Amb)|NoNewPrivs|Sig(Blk|Ign)):' /proc/self/status
echo "home $HOME"; echo "directory $(pwd -P)"
echo "names $USER $LOGNAME $SHELL"
echo fds; ls /proc/$$/fd; echo "all fds"
set -- $(cut -d ' ' -f 1,6,7 /proc/$$/stat); echo "session $([ $1 = $2 ] && echo its own)"; echo "terminal $3"
[ -e /proc/self/loginuid ] && echo "loginuid $(cat /proc/self/loginuid)" || echo "loginuid ${UID}"
echo "to the log, by name" > /dev/stderr
python3 - <<'END'
${CALLS}
text = ctypes.create_string_buffer(200)
keyctl(DESCRIBE, SESSION, text, 200)
print("keyring", text.value.decode().split(";")[-1], "with root's key" if has_key(b"filed-roots") else "empty")
print("securebits", libc.prctl(PR_GET_SECUREBITS, 0, 0, 0, 0))
END
while [ "$(cat /proc/$$/oom_score_adj)" -lt 0 ]; do :; done; echo "oom_score_adj $(cat /proc/$$/oom_score_adj)"
`;

/** What it is for a job of USER, and who resets it for a login. */
const TABLE: [string, RegExp, string][] = [
  ["its user", /^Uid:\t1\t1\t1\t1$/m, "setuid(2), by all"],
  ["its group", /^Gid:\t1\t1\t1\t1$/m, "setgid(2), by all"],
  ["its groups", /^Groups:\t1 $/m, "initgroups(3), by all"],
  ["its inheritable capabilities", /^CapInh:\t0+$/m, "none, by all"],
  ["its permitted capabilities", /^CapPrm:\t0+$/m, "setuid(2), by all"],
  ["its effective capabilities", /^CapEff:\t0+$/m, "setuid(2), by all"],
  ["its ambient capabilities", /^CapAmb:\t0+$/m, "setuid(2), by all"],
  ["its securebits", /^securebits 0$/m, "as at boot, by all"],
  ["no_new_privs", /^NoNewPrivs:\t0$/m, "as at boot, by all"],
  ["its blocked signals", /^SigBlk:\t0+$/m, "none, by all"],
  ["its ignored signals", /^SigIgn:\t0+$/m, "none, by all"],
  ["its umask", /^Umask:\t0022$/m, "pam_umask(8) by login; sshd: at least 022"],
  ["its session", /^session its own$/m, "setsid(2), by all"],
  ["its terminal", /^terminal 0$/m, "login and sshd give one; cron has none"],
  ["its descriptors", /^fds\n0\n1\n2\nall fds$/m, "closefrom(3), by all"],
  ["its home", /^directory \/usr\/sbin$/m, "chdir(2) as the user, by all"],
  ["its environment", /^names daemon daemon \/usr\/sbin\/nologin$/m, "by all"],
  ["its session keyring", /^keyring _ses empty$/m, "pam_keyinit(8), by login and sshd"],
  ["its user in the audit log", new RegExp(`^loginuid ${UID}$`, "m"), "pam_loginuid(8), by all"],
  ["its score where memory runs out", /^oom_score_adj 0$/m, "by sshd, which has changed its own"],
  ["its output by name", /^to the log, by name$/m, "the terminal is the user's"],
];

async function start(options: FiledOptions = {}) {
  const filed = await startFiled(options);
  await filed.admitAll();
  return filed;
}

async function finish(filed: Filed, id: string, command: string): Promise<string> {
  await ok(filed.sh(`printf '%s' "$JOB" > $M/pending/${id}`, { user: USER, env: { JOB: command } }));
  return await filed.finished(id);
}

rootTest("of a daemon with odd attributes, another user's job has those of a login", async () => {
  await using filed = await start({ prefix: PREFIX });
  const log = await finish(filed, "report", REPORT);
  for (const [what, expected, by] of TABLE) assert.match(log, expected, `${what} (${by})`);
});

rootTest("a job sees no key of another job, neither of its user's nor of root's", async () => {
  await using filed = await start();
  const add = `python3 - <<'END'\n${CALLS}\nprint("added", add_key(b"filed-key") > 0)\nEND`;
  const look = `python3 - <<'END'\n${CALLS}\nprint("found", has_key(b"filed-key"))\nEND`;
  assert.match(await finish(filed, "add", add), /\nadded True\n/);
  assert.match(await filed.finish("add-root", add), /\nadded True\n/);
  assert.match(await finish(filed, "look", look), /\nfound False\n/);
  assert.match(await filed.finish("look-root", look), /\nfound False\n/);
});

rootTest("a job has its user's own keys within reach, as a login does", async () => {
  await using filed = await start();
  const linked = `python3 - <<'END'
${CALLS}
READ = 11
keys = (ctypes.c_int32 * 8)()
count = keyctl(READ, SESSION, keys, 32) // 4
names = [ctypes.create_string_buffer(200) for _ in range(count)]
for key, name in zip(keys, names): keyctl(DESCRIBE, key, name, 200)
print([name.value.decode().split(";")[-1] for name in names])
END`;
  assert.match(await finish(filed, "linked", linked), new RegExp(`\\n\\['_uid\\.${UID}'\\]\\n`));
});

rootTest(
  "a job runs as the number that owns its file, also where a user has that number as its name",
  async () => {
    const [uid, named] = ["54321", "60111"];
    await ok(run(["useradd", "--badname", "-M", "-u", named, uid]));
    try {
      await using filed = await start();
      await filed.submit(".job", "id -u; id -G");
      await ok(filed.sh(`chown +${uid}:+${uid} $M/pending/.job && mv $M/pending/.job $M/pending/job`));
      assert.match(await filed.finished("job"), new RegExp(`\\n${uid}\\n${uid}\\n`));
    } finally {
      await ok(run(["userdel", uid]));
    }
  },
);
