/** A number of /proc/PID/status, proc_pid_status(5): a count, or KiB. */
export async function statusField(path: string, field: string): Promise<number> {
  const text = await Deno.readTextFile(path);
  return Number(new RegExp(`^${field}:\\s+(\\d+)`, "m").exec(text)?.[1]);
}

/** The most memory that a process has had, bytes. */
export async function peakBytes(pid: number): Promise<number> {
  return await statusField(`/proc/${pid}/status`, "VmHWM") * 1_024;
}

/** The memory that a process has, bytes. */
export async function residentBytes(pid: number): Promise<number> {
  return await statusField(`/proc/${pid}/status`, "VmRSS") * 1_024;
}

/** How often the threads of a process have gone to sleep and, so, were woken. */
export async function sleeps(pid: number): Promise<number> {
  let sum = 0;
  for await (const { name } of Deno.readDir(`/proc/${pid}/task`)) {
    sum += await statusField(`/proc/${pid}/task/${name}/status`, "voluntary_ctxt_switches");
  }
  return sum;
}
