/** What people copy from the manual is what was meant. */
import assert from "node:assert/strict";
import { ok, run } from "../harness.ts";
import { examplesInSource, shownExample, shownManual } from "../manual.ts";

Deno.test("each example of the manual is shown with every sign that it has", async () => {
  const page = await shownManual();
  const examples = examplesInSource();
  assert.ok(examples.length > 20);
  for (const example of examples) assert.ok(shownExample(page, example), `not shown so: ${example}`);
});

/** What no shell is to read: a crontab, what a job or filed prints, or a part of a unit. */
const NO_SHELL = /^(\d+ \d+ \* \* \*|>>>|\[System Error\]|\[filed:)|^ +\[Service\]$/m;

Deno.test("a shell can read each example of the manual that is for one", async () => {
  const forShells = examplesInSource().filter((example) => !NO_SHELL.test(example) || example[0] === "$");
  assert.ok(forShells.length > 15);
  for (const example of forShells) {
    const isSession = example.startsWith("$ ");
    const commands = isSession ? example.replaceAll(/^(?:\$ |>>> .*$|hello world$)/gm, "") : example;
    await ok(run(["sh", "-n", "-c", commands]));
  }
});
