/** The shell that sets a job's limits before it becomes the job. */
import assert from "node:assert/strict";
import { wrap, type Wrapping } from "../../src/runner/command_line.ts";

/** Runs the command with no descriptor but the first three, and so with no cgroup that it could join. */
async function run(command: string, limits: Partial<Wrapping>): Promise<{ status: number; text: string }> {
  const { path, args: [, ...args] } = wrap({
    command: new TextEncoder().encode(command),
    credentials: undefined,
    joinsCgroup: true,
    rlimits: [],
    rlimitsOutside: [],
    ...limits,
  });
  const strings = args.map((arg) => typeof arg === "string" ? arg : new TextDecoder().decode(arg));
  const { code, stdout } = await new Deno.Command(path, { args: strings }).output();
  return { status: code, text: new TextDecoder().decode(stdout) };
}

Deno.test("a job that can't join the cgroup that was to limit its memory is limited by itself", async () => {
  const rlimitsOutside = [{ option: "-d", soft: 8_192, hard: 8_193 }] as const;
  const { text } = await run("ulimit -S -d; ulimit -H -d", { rlimitsOutside });
  assert.equal(text, "8192\n8193\n");
});

const UNSETTABLE = [{ option: "-n", soft: 50, hard: 49 }] as const;

for (const limits of [{ rlimits: UNSETTABLE }, { rlimitsOutside: UNSETTABLE }]) {
  Deno.test(`a job does not start without one of its ${Object.keys(limits)}`, async () => {
    const { status, text } = await run("echo started", limits);
    assert.equal(text, "");
    assert.notEqual(status, 0);
  });
}
