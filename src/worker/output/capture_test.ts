import assert from "node:assert/strict";
import { pipe, write } from "../../sys/files/file.ts";
import { Reactor } from "../reactor.ts";
import { Capture } from "./capture.ts";

const MIB = 1_048_576;

Deno.test("what is written on while a relay is drained is not read without end, though nobody takes it", async () => {
  await using reactor = new Reactor();
  const { reader, writer } = pipe();
  let postedBytes = 0;
  const capture = new Capture(reader, 1_000 * MIB, (bytes) => postedBytes += bytes.length, reactor);
  const page = new Uint8Array(32_768);
  const isIdle = () => {
    write(writer, page, page.length);
    return false;
  };
  await capture.drain({ isIdle });
  capture.finish();
  assert.ok(postedBytes > MIB && postedBytes < 2 * MIB, `${postedBytes} bytes`);
});
