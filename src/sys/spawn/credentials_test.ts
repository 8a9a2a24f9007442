import assert from "node:assert/strict";
import { Arena } from "../c_memory.ts";
import { becoming } from "./credentials.ts";

Deno.test("becoming() leaves the child no moment in which its user could stop it and trace it", () => {
  using arena = new Arena();
  const calls = becoming({ uid: 7, gid: 8, groups: [] }, arena).map(({ call }) => call);
  const names = calls.map(({ name }) => name);
  const protecting = names.lastIndexOf("prctl");
  assert.deepEqual(calls[protecting]?.args.slice(0, 2), [4n, 0n]); // PR_SET_DUMPABLE
  const ids = (i: number) => calls[i]?.args.slice(0, 3);
  assert.deepEqual(ids(names.indexOf("setresuid")), [0xffff_ffffn, 7n, 0xffff_ffffn]);
  assert.equal(names.indexOf("setresuid"), protecting - 1);
  assert.deepEqual(ids(names.lastIndexOf("setresuid")), [7n, 7n, 7n]);
  assert.equal(names.lastIndexOf("setresuid"), protecting + 1);
});
