import { DatabaseSync } from "node:sqlite";
import { Filed, Place } from "../harness.ts";
import { Program } from "../program.ts";

/** A state file with jobs in it, that no daemon has open. */
export async function makeStateFile(place: Place): Promise<string> {
  await using filed = await Filed.start(place);
  const ids = Array.from({ length: 40 }, (_, index) => `job-${index}`);
  await Promise.all(ids.map((id) => filed.submit(id, `seq 2000 # ${id}`)));
  await Promise.all(ids.map((id) => filed.finished(id)));
  await filed.stop();
  return filed.state;
}

/** What a daemon that is started on a state file says before it ends. */
export async function refusal(place: Place, state: string): Promise<{ status: number; stderr: string }> {
  await using filed = Program.start(["--state", state, `${place.path}/mnt`]);
  const status = await filed.ended();
  return { status, stderr: filed.stderr };
}

/** Overwrites part of a file, where it is. */
export function overwrite(path: string, from: number, to: number, byte: number) {
  using file = Deno.openSync(path, { write: true });
  file.seekSync(from, Deno.SeekMode.Start);
  file.writeSync(new Uint8Array(to - from).fill(byte));
}

/** Runs SQL on a state file that no daemon has open. */
export function execute(path: string, sql: string) {
  const database = new DatabaseSync(path);
  database.exec(sql);
  database.close();
}
