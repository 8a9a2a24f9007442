import assert from "node:assert/strict";
import { faultOf, faultOfWrite } from "./content.ts";

const latin1 = (text: string) => Uint8Array.from(text, (character) => character.charCodeAt(0));
const RETURN = /carriage return/;
const NUL = /NUL byte \(byte 2\)/;
const MARK = /byte order mark/;

/** A command, what is wrong with it while more may come, and once it is whole. */
const CASES = [
  ["echo a\n", undefined, undefined],
  ["", undefined, undefined],
  ["\r", undefined, RETURN],
  ["echo a\r\n", RETURN, RETURN],
  ["#!/bin/sh\r\necho a\r\n", RETURN, RETURN],
  ["echo a\r", undefined, RETURN],
  ["echo a\rb\n", undefined, undefined],
  ["echo a #\necho b\r\n", undefined, undefined],
  ["\necho a\r\n", undefined, undefined],
  ["\xef\xbb\xbfecho a", MARK, MARK],
  ["\xef\xbb", undefined, undefined],
  ["\xff\xfee\0c\0", MARK, MARK],
  ["\xfe\xff\0e\0c", MARK, MARK],
  ["a\0\0", undefined, NUL],
  ["a\0\r\n", undefined, NUL],
  ["\x7fELF\x02\x01\0\r\n", undefined, undefined],
  ["#!/bin/sh\n\0", undefined, undefined],
] as const;
for (const [command, part, whole] of CASES) {
  for (const [extent, expected] of [["part", part], ["whole", whole]] as const) {
    Deno.test(`faultOf() of ${JSON.stringify(command)}, the ${extent}, is ${expected ?? "none"}`, () => {
      const fault = faultOf(latin1(command), extent);
      if (expected) assert.match(fault ?? "none", expected);
      else assert.equal(fault, undefined);
    });
  }
}

const WRITES = [
  ["a\0b", "a\0b", NUL],
  ["a\0b", "b", undefined],
  ["a\0\0", "\0\0", undefined],
  ["\x7fELF\x02\0", "\x7fELF\x02\0", undefined],
  ["#!/bin/sh\n\0a", "\0a", undefined],
  ["\0\0\0\0a\0", "a\0", undefined],
  ["echo\r\n", "\n", RETURN],
] as const;
for (const [command, data, expected] of WRITES) {
  Deno.test(`faultOfWrite() of ${JSON.stringify(data)} that makes ${JSON.stringify(command)}`, () => {
    const fault = faultOfWrite(latin1(command), latin1(data));
    if (expected) assert.match(fault ?? "none", expected);
    else assert.equal(fault, undefined);
  });
}
