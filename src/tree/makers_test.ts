import assert from "node:assert/strict";
import { isLeftUnfinished, MAKER_MS, Makers } from "./makers.ts";

const [ANN, BOB] = [1_001, 1_002];

/**
 * How a file is made, with the type of a regular file, and whether its maker has more to do once it has
 * closed it.
 */
const CASES: [string, mode: number, contents: "keep" | "truncate", boolean][] = [
  ["mkstemp(3)", 0o100600, "keep", true],
  ["who makes it for itself alone", 0o100600, "truncate", false],
  ["a shell under umask 077", 0o100666, "truncate", false],
  ["cp(1)", 0o100644, "keep", false],
];
for (const [who, mode, contents, isUnfinished] of CASES) {
  Deno.test(`${who} is ${isUnfinished ? "not " : ""}done when it closes a file`, () => {
    const making = { access: "write", contents, mayMap: false, isExclusive: false, mode, umask: 0 } as const;
    assert.equal(isLeftUnfinished(making), isUnfinished);
  });
}

Deno.test("who made a job goes by its name for a while, and looks for it as long again", () => {
  let now = 0;
  const makers = new Makers(() => now);
  makers.made(1, ANN);
  now = MAKER_MS - 1;
  assert.deepEqual([makers.nameValidMs(1), makers.isMaker(ANN, 1), makers.isMaker(BOB, 1)], [1, true, false]);
  makers.seek(1, ANN, 7);
  now = 2 * MAKER_MS - 2;
  assert.deepEqual([makers.nameValidMs(1), makers.isMaker(ANN, 1)], [0, false]);
  assert.deepEqual([makers.soughtMtime(1, ANN), makers.soughtMtime(1, BOB)], [7, undefined]);
  now++;
  assert.equal(makers.soughtMtime(1, ANN), undefined);
});

Deno.test("a name is taken back once, also one that is no longer valid here: the kernel's clock may be behind", () => {
  let now = 0;
  const makers = new Makers(() => now);
  makers.made(1, ANN);
  now = MAKER_MS;
  assert.deepEqual([makers.takeBackName(1), makers.takeBackName(1)], [true, false]);
});
