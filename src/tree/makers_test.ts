import assert from "node:assert/strict";
import { O_TRUNC } from "../fuse/mod.ts";
import { isLeftUnfinished, MAKER_MS, Makers } from "./makers.ts";

const [ANN, BOB] = [1_001, 1_002];
const O_EXCL = 0o200;

/** How a file is made, with the type of a regular file, and whether its maker has more to do once it has closed it. */
const CASES: [string, mode: number, flags: number, boolean][] = [
  ["mkstemp(3)", 0o100600, O_EXCL, true],
  ["install(1)", 0o100600, 0, true],
  ["a shell under umask 077", 0o100666, O_TRUNC, false],
  ["who wants to be alone with it", 0o100600, O_TRUNC, false],
  ["cp(1)", 0o100644, O_EXCL, false],
];
for (const [who, mode, flags, isUnfinished] of CASES) {
  Deno.test(`${who} is ${isUnfinished ? "not " : ""}done when it closes a file`, () => {
    assert.equal(isLeftUnfinished(mode, flags), isUnfinished);
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
