import assert from "node:assert/strict";
import { commandLine } from "./command_line.ts";

const COMMAND = Uint8Array.of(0x74, 0xff);

Deno.test("commandLine() hands the text to sh as it is", () => {
  assert.deepEqual(commandLine(COMMAND), { path: "/bin/sh", args: ["sh", "-c", "--", COMMAND] });
});
