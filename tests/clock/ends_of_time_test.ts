/** Any time that utimensat(2) takes is a time that a job may wait for: none of them harms the others. */
import assert from "node:assert/strict";
import { Filed, ok, startFiled } from "../harness.ts";

const TIMES = {
  "the end of time": "2**63 - 1",
  "long after the end of the world": "2**62",
  "31 million years from now": "10**15",
  "the beginning of time": "-(2**63)",
  "the last second before 1970": "-1",
};

for (const [what, seconds] of Object.entries(TIMES)) {
  Deno.test(`a job's time set to ${what} ends nothing, now and after a restart`, async () => {
    await using filed = await startFiled({ config: { max_job_count: 0 } });
    await filed.submit("x", "true");
    await ok(filed.python(`
import ctypes
class Time(ctypes.Structure): # struct timespec
    _fields_ = [("seconds", ctypes.c_int64), ("nanoseconds", ctypes.c_int64)]
time = Time(${seconds}, 999_999_999)
libc = ctypes.CDLL(None, use_errno=True)
AT_FDCWD = -100
assert libc.utimensat(AT_FDCWD, (M + "/pending/x").encode(), (Time * 2)(time, time), 0) == 0, ctypes.get_errno()
os.stat(M + "/pending/x")
`));
    await filed.configure({ max_job_count: 1 });
    await filed.finish("y", "true");
    assert.equal((await filed.stop()).code, 0);
    await using again = await Filed.start(filed.place);
    await again.finish("z", "true");
  });
}
