import { readKernelFile } from "../files/kernel_files.ts";
import { LIBC } from "../libc.ts";

const { symbols } = Deno.dlopen(LIBC, { signal: { parameters: ["i32", "usize"], result: "isize" } });

// signal.h
const SIG_DFL = 0n;
const SIG_IGN = 1n;

/**
 * The numbers of the signals that this process ignores now. Before anybody listens to a signal, it is those
 * that it was started to ignore: nohup(1) ignores SIGHUP, a background shell SIGINT and SIGQUIT.
 */
export function ignoredSignals(): ReadonlySet<number> {
  const [, mask = "0"] = /^SigIgn:\t(\w+)$/m.exec(readKernelFile("/proc/self/status")) ?? [];
  const bits = BigInt(`0x${mask}`);
  const numbers = Array.from({ length: 64 }, (_, bit) => bit + 1);
  return new Set(numbers.filter((number) => (bits >> BigInt(number - 1) & 1n) === 1n));
}

/** Has a signal, by its number, do what it does by default. @see signal(2) */
export function resetSignal(number: number): void {
  symbols.signal(number, SIG_DFL);
}

/** Has the kernel drop a signal, by its number. @see signal(2) */
export function ignoreSignal(number: number): void {
  symbols.signal(number, SIG_IGN);
}
