import assert from "node:assert/strict";
import { judge } from "./submission.ts";

const NOW = 1_000_000;
const latin1 = (text: string) => Uint8Array.from(text, (character) => character.charCodeAt(0));
const NUL = /^it has a NUL byte/;

/** A content, and what is wrong with it while more may come, and once it is whole. */
const CASES: [string, RegExp | undefined, RegExp | undefined][] = [
  ["make", undefined, undefined],
  ["make\0", undefined, NUL],
  ["#filed nice=3\nmake\r\n", undefined, undefined],
  ["#filed nice=3\r\nmake\r\n", /^it has a carriage return|^line 1/, /^it has a carriage return|^line 1/],
  ["#filed nice=33\nmake", /^line 1: nice=33/, /^line 1: nice=33/],
  ["#filed nice=33", undefined, /^line 1: nice=33/],
  ["#filed stdin=END\ncat\nEND\n\0\r\n\xff", undefined, undefined],
  ["#filed stdin=END\ncat\0\nEND\n", undefined, NUL],
  ["#filed stdin=END\ncat\nEN", undefined, /^stdin=END: no line is END/],
  ["#!/bin/cat\r\n", /carriage return/, /carriage return/],
  ["#!/usr/bin/env node\n//filed nice=33\n", /^line 2: nice=33/, /^line 2: nice=33/],
];
for (const [content, part, whole] of CASES) {
  for (const [extent, expected] of [["part", part], ["whole", whole]] as const) {
    Deno.test(`judge() of ${JSON.stringify(content)}, the ${extent}, finds ${expected ?? "nothing"}`, () => {
      const submission = judge(latin1(content), extent, NOW);
      if (expected) assert.match(submission.kind === "refused" ? submission.reason : "none", expected);
      else assert.equal(submission.kind, "sound");
    });
  }
}

const WRITES: [string, string, RegExp | undefined][] = [
  ["#filed stdin=END\ncat\nEND\n\0a", "\0a", undefined],
  ["#filed stdin=END\ncat\0a", "\0a", NUL],
  ["#filed stdin=END\ncat\nEN\0a", "\0a", NUL],
  ["make\0a", "\0a", NUL],
  ["#filed nise=3\n", "\n", /did you mean nice/],
];
for (const [content, written, expected] of WRITES) {
  Deno.test(`a write of ${JSON.stringify(written)} that makes ${JSON.stringify(content)} is judged`, () => {
    const submission = judge(latin1(content), "part", NOW, latin1(written));
    if (expected) assert.match(submission.kind === "refused" ? submission.reason : "none", expected);
    else assert.equal(submission.kind, "sound");
  });
}
