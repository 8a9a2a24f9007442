/**
 * Runs the benchmarks and prints their table: main.ts [--quick] [--filed FILE] [--write FOLDER] [NAME]...
 *
 * FILE is a built filed, by default the source tree; FOLDER gets results.md and growth.svg; the names are those below,
 * by default all of them.
 */
import { parseArgs } from "node:util";
import { type Growth, growth } from "./growth.ts";
import { describe } from "./machine.ts";
import { interruption, Rig } from "./rig.ts";
import { type Row, tableOf } from "./row.ts";
import { held } from "./rows/held.ts";
import { crowd } from "./rows/crowd.ts";
import { idle } from "./rows/idle.ts";
import { latency } from "./rows/latency.ts";
import { listing } from "./rows/listing.ts";
import { output } from "./rows/output.ts";
import { queued } from "./rows/queued.ts";
import { sandbox } from "./rows/sandbox.ts";
import { shell } from "./rows/shell.ts";
import { start } from "./rows/start.ts";
import { stat } from "./rows/stat.ts";
import { store } from "./rows/store.ts";
import { submit } from "./rows/submit.ts";
import { throughput } from "./rows/throughput.ts";

const BENCHMARKS = {
  submit,
  stat,
  throughput,
  sandbox,
  queued,
  shell,
  latency,
  held,
  listing,
  start,
  output,
  crowd,
  store,
  idle,
};

const { values: options, positionals: names } = parseArgs({
  args: Deno.args,
  allowPositionals: true,
  options: { quick: { type: "boolean" }, filed: { type: "string" }, write: { type: "string" } },
});
const isWanted = (name: string) => names.length === 0 || names.includes(name);

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  Deno.addSignalListener(signal, () => interruption.abort(new Error(`stopped by ${signal}`)));
}
try {
  await main();
} catch (error) {
  if (!interruption.signal.aborted) throw error;
  console.error(String(interruption.signal.reason));
  Deno.exit(1);
}
Deno.exit();

async function main(): Promise<void> {
  await using rig = await Rig.make(options.quick ?? false, options.filed);
  const rows: Row[] = [];
  for (const [name, benchmark] of Object.entries(BENCHMARKS).filter(([name]) => isWanted(name))) {
    await timed(name, async () => {
      for await (const row of benchmark(rig)) rows.push(row);
    });
  }
  let grown: Growth | undefined;
  if (isWanted("growth")) await timed("growth", async () => void (grown = await growth(rig)));
  const report = await reportOf(rig, rows, grown);
  console.log(report);
  if (options.write === undefined) return;
  await Deno.writeTextFile(`${options.write}/results.md`, `# What the benchmarks measured\n\n${report}`);
  if (grown) await Deno.writeTextFile(`${options.write}/growth.svg`, grown.svg);
}

async function timed(name: string, act: () => Promise<void>): Promise<void> {
  const startedAt = performance.now();
  await act();
  console.error(`${name}: ${((performance.now() - startedAt) / 1_000).toFixed(1)} s`);
}

async function reportOf(rig: Rig, rows: readonly Row[], grown: Growth | undefined): Promise<string> {
  const size = rig.isQuick ? "\nA quick run: fewer rounds and smaller sizes than `make bench`.\n" : "";
  const parts = [`${await describe(rig)}\n${size}`];
  if (rows.length > 0) {
    parts.push(
      "Medians. A ratio is of figures measured by turns, round by round; in brackets the lowest and the highest.\n\n" +
        `${tableOf(rows)}\n`,
    );
  }
  if (grown) {
    parts.push(
      `## How cost grows\n\nMicroseconds for one operation; growth.svg shows them.\n\n${grown.table}\n`,
    );
  }
  return parts.join("\n");
}
