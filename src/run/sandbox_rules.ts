import { ACCESS_FS, ACCESS_NET } from "../sys/landlock.ts";

export type PathOption = "--ro" | "--rw" | "--exec";
export type PortOption = "--connect" | "--bind";

/** What sandboxed jobs may do besides the base, in the words of the command line; plain data. */
export interface SandboxRules {
  paths: { option: PathOption; path: string }[];
  ports: { option: PortOption; port: number }[];
}

/** How jobs are sandboxed; plain data. */
export interface SandboxSettings {
  rules: SandboxRules;
  /** The version of Landlock to use, as `landlockAbi()` tells. */
  abi: number;
  /** Where the jobs' temporary folders are, such as /tmp. */
  tempDirectory: string;
}

const READ = ACCESS_FS.READ_FILE | ACCESS_FS.READ_DIR;

/**
 * What each option allows. Not to make device nodes: whoever may, which is root, could make one for the disk that has
 * everything. Not to execute what can be written, unless another rule says so.
 */
export const PATH_ACCESS: Record<PathOption, number> = {
  "--ro": READ,
  "--rw": READ | ACCESS_FS.WRITE_FILE | ACCESS_FS.TRUNCATE | ACCESS_FS.IOCTL_DEV | ACCESS_FS.REFER |
    ACCESS_FS.MAKE_REG | ACCESS_FS.MAKE_DIR | ACCESS_FS.MAKE_SYM | ACCESS_FS.MAKE_FIFO | ACCESS_FS.MAKE_SOCK |
    ACCESS_FS.REMOVE_FILE | ACCESS_FS.REMOVE_DIR,
  "--exec": READ | ACCESS_FS.EXECUTE,
};

export const PORT_ACCESS: Record<PortOption, number> = {
  "--connect": ACCESS_NET.CONNECT_TCP,
  "--bind": ACCESS_NET.BIND_TCP,
};
