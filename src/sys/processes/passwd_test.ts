import assert from "node:assert/strict";
import { userById } from "./passwd.ts";

Deno.test("userById() finds root", async () => {
  const { uid, gid, name } = await userById(0) ?? {};
  assert.deepEqual({ uid, gid, name }, { uid: 0, gid: 0, name: "root" });
});

Deno.test("userById() agrees with /etc/passwd on every field", async () => {
  const [name, , uid = "", gid, , home, shell] =
    Deno.readTextFileSync("/etc/passwd").split("\n")[1]?.split(":") ?? [];
  assert.deepEqual(await userById(Number(uid)), { uid: Number(uid), gid: Number(gid), name, home, shell });
});

Deno.test("userById() knows when nobody has a uid", async () => {
  assert.equal(await userById(3_999_999_999), undefined);
});
