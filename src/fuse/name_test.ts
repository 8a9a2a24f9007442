import assert from "node:assert/strict";
import { ErrnoError } from "../sys/errno.ts";
import { decodeName } from "./name.ts";

Deno.test("decodeName() keeps a byte order mark", () => {
  assert.equal(decodeName(new Uint8Array([0xef, 0xbb, 0xbf, 0x61])), "\ufeffa");
});

for (const bytes of [[0xff], [0xc3], [0xed, 0xa0, 0x80]]) {
  Deno.test(`decodeName() of ${bytes} is EINVAL`, () => {
    assert.throws(
      () => decodeName(new Uint8Array(bytes)),
      (error: unknown) => error instanceof ErrnoError && error.is("EINVAL"),
    );
  });
}
