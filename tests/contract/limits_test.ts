/** What the kernel holds jobs to, and what their logs say of it. */
import assert from "node:assert/strict";
import { type Filed, type FiledOptions, ok, rootTest, startFiled } from "../harness.ts";

/** A user that every Debian has. */
const OTHER = "daemon";
const SANDBOX = [
  "--sandbox=require",
  "--exec",
  "/usr",
  "--exec",
  "/bin",
  "--ro",
  "/proc",
  "--ro",
  "/dev/zero",
];

const LIMITS = { max_memory_mb: 64, max_cpu_sec: 1, max_file_mb: 1, max_open_files: 20, nice: 7 };
const OFF = { max_memory_mb: 0, max_cpu_sec: 0, max_file_mb: 0, max_open_files: 0, nice: 0 };

const A_FILE = 'f=$(mktemp) && exec 3>"$f" && rm "$f"';

/** What goes past a limit, and the end of its log. */
const PAST: Record<string, [command: string, end: RegExp]> = {
  "cpu": [
    "exec sh -c 'while :; do :; done'",
    /\n\[System Error\]: signal: CPU time limit exceeded \(max_cpu_sec: more than 1 s of CPU time\)\n$/,
  ],
  "cpu-of-child": [
    "sh -c 'while :; do :; done'; exit $?",
    /\n\[System Error\]: exit status 152 \(max_cpu_sec: more than 1 s of CPU time\)\n$/,
  ],
  "file": [
    `${A_FILE} && exec head -c 1048577 /dev/zero >&3`,
    /\n\[System Error\]: signal: file size limit exceeded \(max_file_mb: more than 1 MiB in a file\)\n$/,
  ],
  "file-of-child": [
    `${A_FILE} && head -c 1048577 /dev/zero >&3; exit $?`,
    /\n\[System Error\]: exit status 153 \(max_file_mb: more than 1 MiB in a file\)\n$/,
  ],
  "open-files": [
    `tee ${"/dev/null ".repeat(20)} </dev/null`,
    /: Too many open files\n\n\n\[System Error\]: exit status 1\n$/,
  ],
  // The first is where memory can't be counted for all of a job.
  "memory": [
    "x=0123456789; while :; do x=$x$x; done",
    /: Out of space\n\n\n\[System Error\]: exit status 2\n$|\n\[System Error\]: signal: killed \(max_memory_mb: more than 64 MiB of memory\)\n$/,
  ],
};

/** What comes as near to the limits as it may; it also finds a session's niceness changed, where sessions have one. */
const WITHIN = `
set -e
${A_FILE}
head -c 1048576 /dev/zero >&3
ulimit -n
cut -d' ' -f19 /proc/self/stat
until [ ! -e /proc/self/autogroup ] || grep -q 'nice 7$' /proc/self/autogroup; do :; done`;

/** proc_pid_stat(5) */
async function niceOf({ pid }: Filed): Promise<number> {
  return Number((await Deno.readTextFile(`/proc/${pid}/stat`)).split(") ")[1]?.split(" ")[16]);
}

/** Submits as that user. */
async function submitAs(user: string, filed: Filed, id: string, command: string): Promise<void> {
  await ok(filed.sh(`cat > $M/pending/${id} <<'END'\n${command}\nEND`, { user }));
}

/** Whose jobs, and how they run. */
const KINDS: [string, typeof rootTest, FiledOptions, string | undefined][] = [
  ["of filed's own user", Deno.test, {}, undefined],
  ["of filed's own user in a sandbox", Deno.test, { args: SANDBOX }, undefined],
  ["of another user", rootTest, {}, OTHER],
  ["of another user in a sandbox", rootTest, { args: SANDBOX }, OTHER],
];

for (const [kind, test, options, user] of KINDS) {
  test(`a job ${kind} that goes past a limit fails, and its log says which`, async () => {
    await using filed = await startFiled({ ...options, config: { ...LIMITS, max_attempts: 1 } });
    await Deno.chmod(filed.place.path, 0o711);
    await Deno.chmod(`${filed.mount}/pending`, 0o777);
    const submit = user === undefined
      ? (id: string, command: string) => filed.submit(id, command)
      : (id: string, command: string) => submitAs(user, filed, id, command);
    const own = await niceOf(filed);
    await submit("within", WITHIN);
    for (const [id, [command]] of Object.entries(PAST)) await submit(id, command);
    for (const [id, [, end]] of Object.entries(PAST)) assert.match(await filed.finished(id), end, id);
    assert.match(await filed.finished("within"), new RegExp(`\n20\n${Math.min(own + 7, 19)}\n$`));
  });
}

Deno.test("without limits a job has those of filed; and limits are for jobs that start afterwards", async () => {
  await using filed = await startFiled({ config: LIMITS });
  const limited = await filed.finish("limited", "cat /proc/self/limits");
  await filed.configure(OFF);
  const log = await filed.finish("free", "cat /proc/self/limits; cut -d' ' -f19 /proc/self/stat");
  const limits = await Deno.readTextFile(`/proc/${filed.pid}/limits`);
  assert.ok(log.includes(limits), log);
  assert.ok(!limited.includes(limits), limited);
  assert.ok(log.endsWith(`\n${await niceOf(filed)}\n`), log);
});

Deno.test("a limit lets nothing be done that filed itself may not", async () => {
  await using filed = await startFiled();
  await ok(filed.sh(`prlimit --pid ${filed.pid} --nofile=600:700 --fsize=2097152:3145728`));
  await filed.configure({ max_open_files: 10_000, max_file_mb: 10_000 });
  assert.match(
    await filed.finish("x", "ulimit -S -n; ulimit -H -n; ulimit -S -f; ulimit -H -f"),
    /\n600\n700\n4096\n6144\n$/,
  );
});

rootTest("an ordinary user's job can't raise its limits", async () => {
  await using filed = await startFiled({ config: { ...LIMITS, max_attempts: 1 } });
  await Deno.chmod(filed.place.path, 0o711);
  await Deno.chmod(`${filed.mount}/pending`, 0o777);
  await submitAs(OTHER, filed, "x", "ulimit -n 21");
  assert.match(await filed.finished("x"), /limit.*\n\n\n\[System Error\]: exit status \d+\n$/);
});
