import { Buffer } from "node:buffer";
import { readKernelBytes } from "../files/kernel_files.ts";

/**
 * The environment that this process was started with: `NAME=value` each, any bytes but NUL. Deno's own list
 * leaves out what is not UTF-8.
 * @see proc_pid_environ(5)
 */
export function environ(): Uint8Array[] {
  const entries = readKernelBytes("/proc/self/environ").split("\0").filter((entry) => entry !== "");
  return entries.map((entry) => new Uint8Array(Buffer.from(entry, "latin1")));
}
