import assert from "node:assert/strict";
import { type Lock, parseLock } from "./locks.ts";

const CASES: [text: string, lock: Lock | undefined][] = [
  ["deploy", { name: "deploy" }],
  ["deploy,coalesce", { name: "deploy", coalesce: true }],
  ["the site/2 ü", { name: "the site/2 ü" }],
  ["x".repeat(255), { name: "x".repeat(255) }],
  ["", undefined],
  [",coalesce", undefined],
  ["deploy,", undefined],
  ["deploy,colaesce", undefined],
  ["deploy,coalesce,coalesce", undefined],
  ["a\tb", undefined],
  ["x".repeat(256), undefined],
  ["ü".repeat(128), undefined],
];
for (const [text, lock] of CASES) {
  Deno.test(`parseLock() of ${JSON.stringify(text).slice(0, 40)}`, () =>
    assert.deepEqual(parseLock(text), lock));
}
