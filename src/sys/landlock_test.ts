import assert from "node:assert/strict";
import { close, openPathItself } from "./files/file.ts";
import { ACCESS_FS, ACCESS_NET, handledBy, landlockAbi, pathRule, portRule, Ruleset } from "./landlock.ts";

// As linux/landlock.h has them: 13 rights, then REFER, TRUNCATE and IOCTL_DEV.
const HANDLED = [
  [0, { fs: 0x0000, net: 0, scoped: 0 }],
  [1, { fs: 0x1fff, net: 0, scoped: 0 }],
  [2, { fs: 0x3fff, net: 0, scoped: 0 }],
  [3, { fs: 0x7fff, net: 0, scoped: 0 }],
  [4, { fs: 0x7fff, net: 3, scoped: 0 }],
  [5, { fs: 0xffff, net: 3, scoped: 0 }],
  [6, { fs: 0xffff, net: 3, scoped: 3 }],
  [7, { fs: 0xffff, net: 3, scoped: 3 }],
  [99, { fs: 0xffff, net: 3, scoped: 3 }],
] as const;
for (const [abi, handled] of HANDLED) {
  Deno.test(`handledBy() takes what ABI ${abi} has`, () => assert.deepEqual(handledBy(abi), handled));
}

const RULES = [
  ["a directory", pathRule(3, "directory", ACCESS_FS.EXECUTE | ACCESS_FS.READ_DIR), 1n, [
    ...[0x09, 0, 0, 0, 0, 0, 0, 0], // allowed_access
    ...[3, 0, 0, 0], // parent_fd
  ]],
  ["a file, without what only directories have", pathRule(4, "file", 0xffff), 1n, [
    ...[0x07, 0xc0, 0, 0, 0, 0, 0, 0], // allowed_access: execute, write, read; truncate, ioctl
    ...[4, 0, 0, 0], // parent_fd
  ]],
  ["a port", portRule(443, ACCESS_NET.CONNECT_TCP), 2n, [
    ...[2, 0, 0, 0, 0, 0, 0, 0], // allowed_access
    ...[0xbb, 1, 0, 0, 0, 0, 0, 0], // port
  ]],
] as const;
for (const [name, { type, attr }, expectedType, bytes] of RULES) {
  Deno.test(`a rule for ${name} is what the kernel reads`, () => {
    assert.equal(type, expectedType);
    assert.deepEqual([...attr], bytes);
  });
}

const abi = landlockAbi();

Deno.test({
  name: "the kernel takes a ruleset of its own version and of those before",
  ignore: abi === 0,
  fn: () => {
    const fd = openPathItself("/");
    for (let version = 1; version <= abi; version++) {
      const { fs, net, scoped } = handledBy(version);
      using ruleset = new Ruleset({ fs, net, scoped });
      ruleset.add(pathRule(fd, "directory", fs));
      if (net !== 0) ruleset.add(portRule(1, net));
    }
    close(fd);
  },
});
