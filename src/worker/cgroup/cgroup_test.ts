import assert from "node:assert/strict";
import { findCgroups } from "./cgroup.ts";

const PURE = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate";
const HYBRID = `31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755
40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw`;
const CONTAINER = "30 23 0:26 /docker/ab /sys/fs/cgroup ro - cgroup2 cgroup rw";
const SPACE = String.raw`30 23 0:26 / /mnt/c\040g rw - cgroup2 cgroup2 rw`;
const LEGACY = "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu";

const CASES = [
  [
    "cgroup v2 alone",
    PURE,
    "0::/system.slice/filed.service",
    "/sys/fs/cgroup",
    "/system.slice/filed.service",
  ],
  ["both versions", HYBRID, "9:name=systemd:/\n4:memory:/a\n0::/", "/sys/fs/cgroup/unified", ""],
  ["a container that sees its own part", CONTAINER, "0::/docker/ab/x", "/sys/fs/cgroup", "/x"],
  ["a container's own root", CONTAINER, "0::/docker/ab", "/sys/fs/cgroup", ""],
  ["a space in the mount point", SPACE, "0::/a", "/mnt/c g", "/a"],
] as const;

for (const [name, mountinfo, membership, mountPoint, path] of CASES) {
  Deno.test(`findCgroups() with ${name}`, () => {
    assert.deepEqual(findCgroups(mountinfo, membership), { mountPoint, own: `${mountPoint}${path}` });
  });
}

const NONE = [
  ["version 1 alone", LEGACY, "4:cpu:/a"],
  ["a group outside of the mount", CONTAINER, "0::/docker/abc"],
  ["a group outside of the namespace", PURE, "0::/../x"],
] as const;

for (const [name, mountinfo, membership] of NONE) {
  Deno.test(`findCgroups() finds nothing with ${name}`, () => {
    assert.equal(findCgroups(mountinfo, membership), undefined);
  });
}
