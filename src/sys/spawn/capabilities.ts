import { CMemory } from "../c_memory.ts";
import { check, LIBC } from "../libc.ts";

const { symbols } = Deno.dlopen(LIBC, { capget: { parameters: ["buffer", "buffer"], result: "i32" } });

const VERSION_3 = 0x20080522; // linux/capability.h
const WORDS_PER_SET = 3; // effective, permitted, inheritable
const SETS_WORDS = 2 * WORDS_PER_SET; // the lower 32 capabilities of each set, then the upper

/** A thread's capabilities, as capset(2) wants them, at addresses that stay. */
interface CapabilitySets {
  header: bigint;
  data: bigint;
}

const OWN_THREAD = 0;
const HEADER = CMemory.of(Uint32Array.of(VERSION_3, OWN_THREAD));

export const NO_CAPABILITIES: CapabilitySets = {
  header: HEADER.address,
  data: new CMemory(SETS_WORDS * Uint32Array.BYTES_PER_ELEMENT).address,
};

/**
 * The capabilities, linux/capability.h, over files, users, their processes, and sockets. Root needs them to
 * run jobs as others, and its own jobs to work with others' files.
 */
const OF_FILES_AND_USERS = {
  CAP_CHOWN: 0,
  CAP_DAC_OVERRIDE: 1,
  CAP_DAC_READ_SEARCH: 2,
  CAP_FOWNER: 3,
  CAP_FSETID: 4,
  CAP_KILL: 5,
  CAP_SETGID: 6,
  CAP_SETUID: 7,
  CAP_SETPCAP: 8,
  CAP_NET_BIND_SERVICE: 10,
} as const;

/**
 * This thread's capabilities without those that reach the kernel and the whole machine: devices, memory,
 * mounts, modules, the clock, the network's settings, other processes' memory.
 * @returns `undefined` if it has none anyway.
 */
export function capabilitiesOfFilesAndUsers(): CapabilitySets | undefined {
  const data = new Uint32Array(SETS_WORDS);
  check(symbols.capget(new Uint8Array(HEADER.buffer), new Uint8Array(data.buffer)), "capget");
  if (data.every((word) => word === 0)) return undefined;
  const kept = Object.values(OF_FILES_AND_USERS).reduce<number>((bits, number) => bits | 1 << number, 0);
  const left = data.map((word, index) => index < WORDS_PER_SET ? word & kept : 0);
  return { header: HEADER.address, data: CMemory.of(left).address };
}
