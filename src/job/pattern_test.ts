import assert from "node:assert/strict";
import { matches, parsePattern } from "./pattern.ts";

/** A pattern, what it matches, and what it does not. */
const PATTERNS: [pattern: string, matched: string[], others: string[]][] = [
  ["batch-*", ["batch-", "batch-1", "batch-a/b"], ["batch", "a batch-1", "Batch-1"]],
  ["*", ["", "a", "é"], []],
  ["*.gz", ["a.gz", ".gz", "a.gz.gz"], ["a.gz.b", "gz"]],
  ["a*b*c", ["abc", "axxbyyc", "abbc", "abcbc"], ["ab", "abcd", "acb"]],
  ["part-?", ["part-1", "part-é", "part-😀"], ["part-", "part-12"]],
  ["[a-c]x", ["ax", "cx"], ["dx", "x", "-x"]],
  ["[!a-c]x", ["dx", "-x"], ["ax", "x"]],
  ["[^a]", ["b"], ["a"]],
  ["[]a]", ["]", "a"], ["b"]],
  ["[a-]", ["a", "-"], ["b"]],
  ["x\\**", ["x*", "x*y"], ["xy"]],
  ["\\[a]*", ["[a]", "[a]b"], ["a"]],
  ["*[", ["a[", "["], ["a"]],
];
for (const [pattern, matched, others] of PATTERNS) {
  const parsed = parsePattern(pattern).pattern;
  assert.ok(parsed);
  for (const id of matched) Deno.test(`${pattern} matches "${id}"`, () => assert.ok(matches(parsed, id)));
  for (const id of others) {
    Deno.test(`${pattern} does not match "${id}"`, () => assert.ok(!matches(parsed, id)));
  }
}

/** A text, the id that it is taken for, and what it matches begins with; `undefined`: it is that id alone. */
const TEXTS: [text: string, literal: string, prefix: string | undefined][] = [
  ["build", "build", undefined],
  ["a\\*b", "a*b", undefined],
  ["a\\\\b", "a\\b", undefined],
  ["a\\", "a\\", undefined],
  ["a[b", "a[b", undefined],
  ["a[]", "a[]", undefined],
  ["a*b", "a*b", "a"],
  ["a[bc]d", "a[bc]d", "a"],
  ["\\?a?", "?a?", "?a"],
  ["*a", "*a", ""],
];
for (const [text, literal, prefix] of TEXTS) {
  Deno.test(`parsePattern() takes ${text} for ${literal}, ${prefix ?? "and nothing else"}`, () => {
    const parsed = parsePattern(text);
    assert.equal(parsed.literal, literal);
    assert.equal(parsed.pattern?.prefix, prefix);
  });
}

Deno.test("a pattern of many stars takes no longer for what does not match", () => {
  const { pattern } = parsePattern("*a".repeat(100) + "b");
  assert.ok(pattern);
  assert.ok(!matches(pattern, "a".repeat(255)));
});
