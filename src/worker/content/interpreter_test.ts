import assert from "node:assert/strict";
import { kindOf } from "../../job/content.ts";
import { interpreterOf } from "./interpreter.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

const SCRIPTS = [
  ["#!/bin/sh", "/bin/sh"],
  ["#!/bin/sh\necho", "/bin/sh"],
  ["#! \t/usr/bin/env -S perl -w\n", "/usr/bin/env"],
  ["#!/usr/bin/awk\t-f\n", "/usr/bin/awk"],
  ["#!python3\n", "python3"],
  ["#!/bin/ä\n", "/bin/ä"],
  ["#!/bin/sh\0/x\n", "/bin/sh"],
  ["#!", undefined],
  ["#!\n/bin/sh\n", undefined],
  ["#!   \n", undefined],
  ["echo #!/bin/sh", undefined],
  [`#!/${"x".repeat(300)}\n`, `/${"x".repeat(253)}`],
] as const;

for (const [script, expected] of SCRIPTS) {
  Deno.test(`interpreterOf() ${JSON.stringify(script.slice(0, 40))}`, () => {
    assert.equal(interpreterOf(bytes(script), kindOf(bytes(script))), expected);
  });
}

/** A header with one entry of its table, which names a loader at 128; both of 64 bytes at most. */
function elf(wordBytes: 32 | 64, { littleEndian }: { littleEndian: boolean }): Uint8Array {
  const content = new Uint8Array(256);
  content.set([0x7f, 0x45, 0x4c, 0x46, wordBytes / 32, littleEndian ? 1 : 2]);
  const view = new DataView(content.buffer);
  const is64 = wordBytes === 64;
  const word = (at: number, value: number) =>
    is64 ? view.setBigUint64(at, BigInt(value), littleEndian) : view.setUint32(at, value, littleEndian);
  word(is64 ? 0x20 : 0x1c, 64); // e_phoff
  view.setUint16(is64 ? 0x36 : 0x2a, is64 ? 56 : 32, littleEndian); // e_phentsize
  view.setUint16(is64 ? 0x38 : 0x2c, 1, littleEndian); // e_phnum
  view.setUint32(64, 3, littleEndian); // PT_INTERP
  word(64 + (is64 ? 8 : 4), 128); // p_offset
  word(64 + (is64 ? 32 : 16), 15); // p_filesz
  content.set(bytes("/lib/ld-none.so\0"), 128);
  return content;
}

for (const wordBytes of [32, 64] as const) {
  for (const littleEndian of [true, false]) {
    Deno.test(`interpreterOf() a program of ${wordBytes} bits, littleEndian ${littleEndian}`, () => {
      assert.equal(interpreterOf(elf(wordBytes, { littleEndian }), "program"), "/lib/ld-none.so");
    });
  }
}

Deno.test("interpreterOf() a program that ends anywhere has none, or the beginning of its name", () => {
  const whole = elf(64, { littleEndian: true });
  for (let length = 4; length < whole.length; length++) {
    const found = interpreterOf(whole.subarray(0, length), "program");
    assert.ok(found === undefined || "/lib/ld-none.so".startsWith(found));
  }
});

Deno.test("interpreterOf() this Deno names the loader of this machine", async () => {
  using file = await Deno.open(Deno.execPath());
  const head = new Uint8Array(4_096);
  await file.read(head);
  assert.match(interpreterOf(head, "program") ?? "", /^\/lib(64)?\/ld-linux/);
});
