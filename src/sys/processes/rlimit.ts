import { check, LIBC } from "../libc.ts";

const { symbols } = Deno.dlopen(LIBC, { getrlimit: { parameters: ["i32", "buffer"], result: "i32" } });

/** asm-generic/resource.h: the same on x86-64 and arm64. */
export const RLIMIT = { CPU: 0, FSIZE: 1, DATA: 2, NOFILE: 7 } as const;
export type RlimitName = keyof typeof RLIMIT;

/** In bytes, seconds, or files. RLIM_INFINITY is the largest number of 64 bits, some 1.8e19. */
export interface ResourceLimit {
  soft: number;
  hard: number;
}

/** A limit for a process that starts. */
export interface Rlimit extends ResourceLimit {
  resource: RlimitName;
}

/** The limit of this process, which its children inherit. @see getrlimit(2) */
export function resourceLimit(resource: RlimitName): ResourceLimit {
  const limit = new BigUint64Array(2); // struct rlimit: rlim_cur, rlim_max
  check(symbols.getrlimit(RLIMIT[resource], new Uint8Array(limit.buffer)), "getrlimit");
  return { soft: Number(limit[0]), hard: Number(limit[1]) };
}
