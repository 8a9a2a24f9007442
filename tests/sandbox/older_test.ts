/** What is left of the sandbox on older kernels, which this one stands for by using a part of what it can. */
import assert from "node:assert/strict";
import { ok, sh } from "../harness.ts";
import { Workshop } from "../worker/workshop.ts";
import { Server } from "./server.ts";
import { SOURCE } from "./world.ts";

const TRUNCATES = "$DIR/attempt truncate $DIR/truncated";
const CONNECTS = "$DIR/attempt connect-tcp $PORT";
const SIGNALS = "kill -s CONT $DAEMON";
const READS = "read -r line < $DIR/file";
const MOVES = "mkdir $DIR/rw/a && : > $DIR/rw/x && $DIR/attempt rename $DIR/rw/x $DIR/rw/a/x";

/** What a job can do, from an ABI on or until it. */
const CASES: [number, { allowed: string[]; denied: string[] }][] = [
  [1, { allowed: [TRUNCATES, CONNECTS, SIGNALS], denied: [READS, MOVES] }],
  [2, { allowed: [TRUNCATES, CONNECTS, SIGNALS, MOVES], denied: [READS] }],
  [3, { allowed: [CONNECTS, SIGNALS, MOVES], denied: [READS, TRUNCATES] }],
  [4, { allowed: [SIGNALS, MOVES], denied: [READS, TRUNCATES, CONNECTS] }],
  [6, { allowed: [MOVES], denied: [READS, TRUNCATES, CONNECTS, SIGNALS] }],
];
for (const [abi, { allowed, denied }] of CASES) {
  Deno.test(`with Landlock's ABI ${abi} jobs are confined as far as it goes`, async () => {
    await using workshop = new Workshop();
    const { dir } = workshop;
    await ok(
      sh('cd "$D" && mkdir rw && echo x > file && echo x > truncated && cc -o attempt "$SOURCE"', {
        D: dir,
        SOURCE,
      }),
    );
    await using server = await Server.start(`${dir}/attempt`);
    const paths = [
      { option: "--exec" as const, path: `${dir}/attempt` },
      { option: "--exec" as const, path: "/usr/bin" },
      { option: "--rw" as const, path: `${dir}/rw` },
    ];
    const ports = [{ option: "--bind" as const, port: 1 }];
    const confined = await workshop.executor.confine({ rules: { paths, ports }, abi, tempDirectory: dir });
    assert.ok(!("problem" in confined));
    const exitOf = async (command: string) => {
      const text = command.replaceAll("$PORT", server.port).replaceAll("$DAEMON", String(Deno.pid));
      return await workshop.start(text).exit();
    };
    for (const command of allowed) {
      assert.deepEqual(await exitOf(command), { kind: "exited", status: 0 }, command);
    }
    for (const command of denied) {
      assert.notDeepEqual(await exitOf(command), { kind: "exited", status: 0 }, command);
    }
  });
}
