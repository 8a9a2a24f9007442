import assert from "node:assert/strict";
import { outermostBelow, parseMounts } from "./foreign_mounts.ts";

const MOUNTS = parseMounts(
  [
    "20 1 254:0 / / rw,relatime - ext4 /dev/vda rw",
    "31 20 0:40 / /tmp/place/1.5/tmp/a rw,nosuid - fuse.sshfs far rw,user_id=5,group_id=5",
    "32 31 0:41 / /tmp/place/1.5/tmp/a/b rw shared:3 - tmpfs none rw",
    "33 20 0:42 / /tmp/place/1.5/tmp/odd\\040name rw - tmpfs none rw",
    "34 20 0:43 / /tmp/place/1.5/tmp/a rw shared:4 master:1 - fuse far rw,user_id=0,group_id=0,allow_other",
    "35 20 0:44 / /tmp/place/1.55/tmp rw - tmpfs none rw",
    "",
  ].join("\n"),
);

Deno.test("parseMounts() reads who a FUSE file system is of, and names with spaces", () => {
  assert.deepEqual(MOUNTS[1], { id: 31, path: "/tmp/place/1.5/tmp/a", type: "fuse.sshfs", userId: 5 });
  assert.deepEqual(MOUNTS[3], {
    id: 33,
    path: "/tmp/place/1.5/tmp/odd name",
    type: "tmpfs",
    userId: undefined,
  });
  assert.equal(MOUNTS[4]?.userId, 0);
});

const CASES: [string, string, number[]][] = [
  ["the topmost of what is stacked, and what nothing else is above", "/tmp/place/1.5/tmp", [33, 34]],
  ["what is on the folder itself", "/tmp/place/1.55/tmp", [35]],
  ["nothing of a folder whose name begins alike", "/tmp/place/1.5/tm", []],
];
for (const [name, folder, ids] of CASES) {
  Deno.test(`outermostBelow() gives ${name}`, () =>
    assert.deepEqual(outermostBelow(folder, MOUNTS).map(({ id }) => id), ids));
}
