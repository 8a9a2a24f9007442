/** Starting programs where a filter does not know clone3(2), as those of older container engines do not. */
import assert from "node:assert/strict";

/** Has the kernel answer ENOSYS to clone3(2), seccomp(2), and becomes a program. */
const FILTER = `
import ctypes, os, struct, sys
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
LOAD_NUMBER, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
CLONE3, ALLOW, ERRNO, ENOSYS = 435, 0x7fff0000, 0x00050000, 38
program = b"".join(struct.pack("=HBBI", *step) for step in [
    (LOAD_NUMBER, 0, 0, 0), (JUMP_IF_EQUAL, 0, 1, CLONE3), (RETURN, 0, 0, ERRNO | ENOSYS), (RETURN, 0, 0, ALLOW)])
buffer = ctypes.create_string_buffer(program)
filter = struct.pack("HxxxxxxQ", len(program) // 8, ctypes.addressof(buffer))
libc = ctypes.CDLL(None, use_errno=True)
libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
if libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, filter): raise OSError(ctypes.get_errno(), "seccomp")
os.execvp(sys.argv[1], sys.argv[1:])
`;

const TREE = new URL("../..", import.meta.url).pathname;
/** Of each file the tests to run: not those of NoNewPrivs, which the filter itself takes. */
const TESTS: [string, string][] = [
  [
    "src/sys/spawn/mod_test.ts",
    "/arguments|descriptor|enter|limits|nicer| is E|tells why|starts nothing|terminal/",
  ],
  ["tests/contract/job_process_test.ts", "/number that owns|sees no key/"],
];

for (const [file, filter] of TESTS) {
  Deno.test(`without clone3(2), ${file} holds as well`, async () => {
    const test = [Deno.execPath(), "test", "--allow-all", "--no-check", "--filter", filter, file];
    const { success, stdout, stderr } = await new Deno.Command("python3", {
      args: ["-c", FILTER, ...test],
      cwd: TREE,
      env: { NO_COLOR: "1" },
    }).output();
    const [out = "", err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
    assert.ok(success, `${out}${err}`);
    assert.ok(Number(/(\d+) passed/.exec(out)?.[1]) > 0, out);
  });
}
