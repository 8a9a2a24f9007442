/** What a job can do outside of the sandbox, and can't do in it. */
import assert from "node:assert/strict";
import { rootTest } from "../harness.ts";
import { type Escape, ESCAPES, type Who } from "./escapes.ts";
import { World } from "./world.ts";

/** What sh exits with for a program that can't be executed, or is not there. */
const NOT_EXECUTED = /exit status 12[67]\n/;

rootTest("every way out of the sandbox is closed, and open without it", async () => {
  await using plain = await World.make("plain");
  await using sandboxed = await World.make("sandboxed");
  const wrong: string[] = [];
  for (const who of ["root", "user"] as const) {
    for (const [index, escape] of ESCAPES.entries()) {
      if (!escape.by.includes(who)) continue;
      const id = `${who}-${index}`;
      const [without, within] = await Promise.all([
        attempt(plain, who, id, escape),
        attempt(sandboxed, who, id, escape),
      ]);
      const problems = [
        ...without.isComplete && without.isOut ? [] : ["it does not work without the sandbox"],
        ...within.isComplete ? ["it succeeds in the sandbox"] : [],
        ...within.isOut ? ["it has its effect in the sandbox"] : [],
        ...NOT_EXECUTED.test(within.log) && !escape.isAboutExecution ? ["it could not be tried"] : [],
      ];
      const logs = `without: ${without.log}\nwithin: ${within.log}`;
      wrong.push(...problems.map((problem) => `${escape.name}, by ${who}: ${problem}\n${logs}`));
    }
  }
  assert.deepEqual(wrong, []);
});

async function attempt(world: World, who: Who, id: string, { command, effect }: Escape) {
  const { isComplete, log } = await world.run(who, id, command);
  const isOut = effect ? await world.holds(who, effect) : log.split("\n").includes("s3cr3t");
  return { isComplete, isOut, log };
}
