import assert from "node:assert/strict";
import { ErrnoError } from "../errno.ts";
import { close, readAt } from "./file.ts";
import { memoryFile, namelessFile } from "./nameless.ts";

const BYTES = Uint8Array.from({ length: 3_000_000 }, (_, index) => index % 251);
const KINDS: [string, (bytes: Uint8Array) => number][] = [
  ["memoryFile()", (bytes) => memoryFile(bytes, "data", { owner: undefined, mode: 0o400 })],
  ["namelessFile()", (bytes) => namelessFile(bytes, "/tmp", { owner: undefined, mode: 0o400 })],
];

for (const [name, make] of KINDS) {
  Deno.test(`${name} gives a file at its beginning, which can't be written by its descriptor`, async () => {
    for (const bytes of [new Uint8Array(), BYTES.subarray(0, 1), BYTES]) {
      const fd = make(bytes);
      try {
        const found = new Uint8Array(bytes.length + 1);
        let length = 0;
        for (let read; (read = readAt(fd, found.subarray(length), length)) > 0;) length += read;
        assert.deepEqual(found.subarray(0, length), Uint8Array.from(bytes));
        const info = await Deno.readTextFile(`/proc/self/fdinfo/${fd}`);
        assert.match(info, /^pos:\t0\nflags:\t\d*0$/m);
        assert.equal((await Deno.stat(`/proc/self/fd/${fd}`)).mode, 0o100400);
      } finally {
        close(fd);
      }
    }
  });
}

Deno.test("namelessFile() leaves nothing where it is not possible", () => {
  assert.throws(
    () => namelessFile(BYTES, "/proc", { owner: undefined, mode: 0o400 }),
    (error) => error instanceof ErrnoError,
  );
});
