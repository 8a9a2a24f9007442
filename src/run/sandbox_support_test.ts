import assert from "node:assert/strict";
import { limitsOf, refusalOf } from "./sandbox_support.ts";

const LIMITS = [[1, 4], [2, 4], [3, 3], [4, 2], [5, 1], [6, 0], [7, 0]] as const;
for (const [abi, count] of LIMITS) {
  Deno.test(`limitsOf() names what ABI ${abi} lacks`, () => assert.equal(limitsOf(abi).length, count));
}

const RULES = {
  paths: [{ option: "--ro" as const, path: "/srv" }],
  ports: [{ option: "--connect" as const, port: 443 }, { option: "--bind" as const, port: 80 }],
};

Deno.test("refusalOf() names the rules that mean nothing, and the kernels that know them", () => {
  assert.equal(
    refusalOf(3, RULES),
    "the kernel can't enforce --sandbox=require, nor --connect 443, --bind 80: " +
      "jobs can connect to and bind every TCP port (before Linux 6.7); " +
      "jobs can control the devices that they may read (before Linux 6.10); " +
      "jobs can signal processes and reach abstract Unix sockets outside of the sandbox (before Linux 6.12)",
  );
});

Deno.test("refusalOf() refuses a sandbox that is not whole, also where each rule is kept", () => {
  assert.match(refusalOf(5, RULES) ?? "", /^the kernel can't enforce --sandbox=require: jobs can signal/);
});

Deno.test("refusalOf() has nothing against a kernel that has all", () => {
  assert.equal(refusalOf(6, RULES), undefined);
});
