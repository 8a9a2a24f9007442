import assert from "node:assert/strict";
import { parseMountInfo, readMountInfo } from "./mountinfo.ts";

const CASES = [
  [
    "a FUSE mount",
    "98 30 0:52 / /mnt/q rw,nosuid,nodev,relatime - fuse.filed filed rw,user_id=0,group_id=0",
    { device: { major: 0, minor: 52 }, mountpoint: "/mnt/q", type: "fuse.filed", source: "filed" },
  ],
  [
    "octal escapes",
    String.raw`98 30 0:52 / /a\040b\011c\134d\012e rw - fuse.filed my\040queue rw`,
    { device: { major: 0, minor: 52 }, mountpoint: "/a b\tc\\d\ne", type: "fuse.filed", source: "my queue" },
  ],
  [
    "optional fields",
    "36 35 98:0 /mnt1 /mnt2 rw,noatime shared:1 master:2 - ext3 /dev/root rw,errors=continue",
    { device: { major: 98, minor: 0 }, mountpoint: "/mnt2", type: "ext3", source: "/dev/root" },
  ],
  [
    "letters beyond ASCII",
    "98 30 0:52 / /tâches rw - tmpfs none rw",
    { device: { major: 0, minor: 52 }, mountpoint: "/tâches", type: "tmpfs", source: "none" },
  ],
] as const;
for (const [name, line, expected] of CASES) {
  Deno.test(`parseMountInfo() of ${name}`, () => assert.deepEqual(parseMountInfo(`${line}\n`), [expected]));
}

Deno.test("parseMountInfo() leaves out what is no mount", () =>
  assert.deepEqual(parseMountInfo("\nodd\n"), []));

Deno.test("readMountInfo() finds this system's root", () => {
  assert.ok(readMountInfo().some(({ mountpoint }) => mountpoint === "/"));
});
