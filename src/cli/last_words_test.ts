import assert from "node:assert/strict";
import { lastWords } from "./last_words.ts";
import { StartError } from "../daemon/start_error.ts";

const first = new StartError("there is no room");
const second = new StartError("it can not be unmounted");
const bug = new TypeError("x is not a function");

const CASES: [string, unknown, string][] = [
  ["an expected error", first, "there is no room"],
  ["a bug", bug, bug.stack ?? ""],
  ["what is no error", "late", "late"],
  [
    "an error while another one is on its way",
    new SuppressedError(second, first),
    "there is no room; and then: it can not be unmounted",
  ],
  ["the same error twice", new SuppressedError(new StartError(first.message), first), "there is no room"],
  [
    "three of them",
    new SuppressedError("c", new SuppressedError("b", "a")),
    "a; and then: b; and then: c",
  ],
];
for (const [what, error, words] of CASES) {
  Deno.test(`lastWords() of ${what}`, () => assert.equal(lastWords(error), words));
}
