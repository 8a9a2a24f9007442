/** The processes of a soak's jobs, found by what they inherit. */

export interface JobProcess {
  pid: number;
  run: string;
}

/** Those that live; without what a job left behind on purpose when it ended by itself. */
export async function jobProcesses(folder: string): Promise<JobProcess[]> {
  const processes: JobProcess[] = [];
  for await (const { name } of Deno.readDir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const environment = (await readOrNothing(`/proc/${name}/environ`)).split("\0");
    const run = environment.find((entry) => entry.startsWith("FILED_RUN="))?.slice("FILED_RUN=".length);
    if (run === undefined || !environment.includes(`SOAK=${folder}`) || environment.includes("LEFT=1")) {
      continue;
    }
    processes.push({ pid: Number(name), run });
  }
  return processes;
}

/** Ends them, so that a test leaves none behind. */
export async function endJobProcesses(folder: string): Promise<void> {
  for (const { pid } of await jobProcesses(folder)) {
    try {
      Deno.kill(pid, "SIGKILL");
    } catch {
      // It has ended.
    }
  }
}

async function readOrNothing(path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch {
    return ""; // It is gone.
  }
}
