import { LIBC } from "./libc.ts";

const { symbols } = Deno.dlopen(LIBC, {
  geteuid: { parameters: [], result: "u32" },
  getegid: { parameters: [], result: "u32" },
  getpriority: { parameters: ["i32", "u32"], result: "i32" },
  getpagesize: { parameters: [], result: "i32" },
});

/** Whose rights this process has. */
export const effectiveUid = (): number => symbols.geteuid();
export const effectiveGid = (): number => symbols.getegid();

const PRIO_PROCESS = 0; // sys/resource.h

/** How nice this thread is, -20 to 19. */
export const niceness = (): number => symbols.getpriority(PRIO_PROCESS, 0);

/** The size of a page of memory, in bytes. */
export const pageSizeBytes = (): number => symbols.getpagesize();
