/**
 * Measures a job that prints 1 GB, its log kept to the cap of 16 MiB; and reading a log of 16 MiB.
 *
 * Against `sh -c job > file` on the same disk; and against cat through bindfs over a file as long.
 *
 * The limit: the pipe. What the job prints is read, counted and mostly dropped; a file takes it from the job without a
 * second process. Reading: the kernel asks for 128 KiB or more at a time, and the server copies them.
 */
import { isThere, pause, type Rig, run, timeMs } from "../rig.ts";
import { compare, type Row } from "../row.ts";

const LOG_BYTES = 16_777_216;

export async function* output(rig: Rig): AsyncGenerator<Row> {
  const mb = rig.size(1_000, 200);
  const job = `head -c ${mb}000000 /dev/zero`;
  await using filed = await rig.start();
  const file = rig.path("output");
  const seconds = await rig.alternate(
    (round) => runJob(filed.mount, `output${round}`, job),
    () => timeMs(["sh", "-c", `sh -c "${job}" >${file}`]),
    rig.size(5, 2),
  );
  const rate = (ms: number) => mb / ms * 1_000;
  const rates = { filed: seconds.filed.map(rate), reference: seconds.reference.map(rate) };
  yield compare(`a job prints ${mb} MB`, "MB/s", "sh > file", rates, { atLeast: 0.7 });

  await using bindfs = await rig.bindfs();
  await runJob(filed.mount, "log", `head -c ${LOG_BYTES - 1_000} /dev/zero`);
  await run(["sh", "-c", `head -c ${LOG_BYTES} /dev/zero >${bindfs.mount}/log`]);
  const times = rig.size(20, 5);
  const reading = await rig.alternate(
    async () => LOG_BYTES * times / await rig.clientMs("read", `${filed.mount}/complete/log`, times) / 1_000,
    async () => LOG_BYTES * times / await rig.clientMs("read", `${bindfs.mount}/log`, times) / 1_000,
  );
  yield compare("reading a log of 16 MiB", "MB/s", "bindfs", reading, { atLeast: 1 });
}

/** @returns How long it took from the submission to its place in complete/, ms. */
async function runJob(mount: string, id: string, command: string): Promise<number> {
  const startedAt = performance.now();
  await Deno.writeTextFile(`${mount}/pending/${id}`, command);
  while (!await isThere(`${mount}/complete/${id}`)) await pause(1);
  return performance.now() - startedAt;
}
