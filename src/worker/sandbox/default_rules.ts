import type { PathOption } from "../../run/sandbox_rules.ts";

/** The rules of every sandbox. We leave out those whose path a host does not have. */
export const DEFAULT_RULES: readonly { option: PathOption; path: string }[] = [
  ...[
    "/bin/sh",
    // The kernel executes a program's loader; libraries are only read.
    "/lib64/ld-linux-x86-64.so.2",
    "/lib/ld-linux-aarch64.so.1",
    "/lib/ld-linux.so.2",
  ].map((path) => ({ option: "--exec" as const, path })),
  ...[
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/usr/lib",
    "/usr/lib32",
    "/usr/lib64",
    "/usr/libx32",
    "/usr/local/lib",
    "/etc/ld.so.cache",
    "/etc/ld.so.preload",
    // The names of users and groups, and the time zone.
    "/etc/nsswitch.conf",
    "/etc/passwd",
    "/etc/group",
    "/etc/localtime",
    "/dev/urandom",
  ].map((path) => ({ option: "--ro" as const, path })),
  { option: "--rw", path: "/dev/null" },
];
