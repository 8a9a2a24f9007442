import assert from "node:assert/strict";
import {
  DEPENDENCY_KINDS,
  describeNeverMet,
  type Fate,
  parseReferences,
  referenceOf,
  type Verdict,
  verdictOf,
} from "./dependencies.ts";

/** What is written, and what it names; `undefined`: it can't be that. */
const VALUES: [value: string, texts: string[] | undefined][] = [
  ["build", ["build"]],
  ["build,test", ["build", "test"]],
  ["a b,é", ["a b", "é"]],
  ["a\\,b,c", ["a\\,b", "c"]],
  ["a\\\\,b", ["a\\\\", "b"]],
  ["batch-*,?later", ["batch-*", "?later"]],
  ["\\?x", ["\\?x"]],
  ["a\\", ["a\\"]],
  ["x".repeat(255), ["x".repeat(255)]],
  ["", undefined],
  [",a", undefined],
  ["a,", undefined],
  ["a,,b", undefined],
  ["?", undefined],
  ["?batch-*", undefined],
  ["?batch-\\*", ["?batch-\\*"]],
  ["a/b", undefined],
  ["x".repeat(256), undefined],
];
for (const [value, texts] of VALUES) {
  Deno.test(`parseReferences() of ${JSON.stringify(value).slice(0, 40)}`, () => {
    assert.deepEqual(parseReferences(value), texts);
  });
}

const REFERENCES = [
  ["build", "build", false, false],
  ["?build", "build", true, false],
  ["\\?build", "?build", false, false],
  ["b?ild", "b?ild", false, true],
  ["batch-*", "batch-*", false, true],
  ["a\\,b", "a,b", false, false],
  ["?a\\*", "a*", true, false],
] as const;
for (const [text, id, mayComeLater, isPattern] of REFERENCES) {
  Deno.test(`referenceOf() takes ${text} for ${id}`, () => {
    const reference = referenceOf(text);
    assert.deepEqual([reference.id, reference.mayComeLater], [id, mayComeLater]);
    assert.equal(reference.pattern !== undefined, isPattern);
  });
}

/** What comes of each kind: `after`, `after_any`, `after_failed`. */
const VERDICTS: Record<Fate, [Verdict, Verdict, Verdict]> = {
  pending: ["waits", "waits", "waits"],
  active: ["waits", "waits", "waits"],
  complete: ["met", "met", "complete"],
  failed: ["waits", "met", "met"],
  removed: ["failed", "failed", "failed"],
  "not-run": ["failed", "met", "met"],
};
for (const [fate, verdicts] of Object.entries(VERDICTS) as [Fate, Verdict[]][]) {
  for (const [index, kind] of DEPENDENCY_KINDS.entries()) {
    const verdict = verdicts[index];
    Deno.test(`of a job that waits by ${kind} for one that is ${fate} comes: ${verdict}`, () => {
      assert.equal(verdictOf(kind, fate, false), verdict);
      const isOther = kind === "after" && fate === "failed";
      assert.equal(verdictOf(kind, fate, true), isOther ? "failed" : verdict, "with fail_dependants");
    });
  }
}

const WORDS = [
  ["after", "removed", "after=dump, which was removed"],
  ["after_any", "removed", "after_any=dump, which was removed"],
  ["after", "failed", "after=dump, which failed"],
  ["after", "not-run", "after=dump, which did not run"],
  ["after_failed", "complete", "dump completed"],
] as const;
for (const [kind, fate, words] of WORDS) {
  Deno.test(`describeNeverMet() says: ${words}`, () => {
    assert.equal(describeNeverMet({ kind, id: "dump" }, fate), words);
  });
}
