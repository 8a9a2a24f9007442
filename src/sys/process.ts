import { LIBC } from "./libc.ts";

const { symbols } = Deno.dlopen(LIBC, {
  geteuid: { parameters: [], result: "u32" },
  getegid: { parameters: [], result: "u32" },
  getpagesize: { parameters: [], result: "i32" },
});

/** Whose rights this process has. */
export const effectiveUid = (): number => symbols.geteuid();
export const effectiveGid = (): number => symbols.getegid();

/** The size of a page of memory, in bytes. */
export const pageSizeBytes = (): number => symbols.getpagesize();
