import { readKernelFile } from "../sys/files/kernel_files.ts";
import { unescapeOctal } from "../sys/files/octal.ts";

/** One line of /proc/self/mountinfo. */
export interface MountInfo {
  /** `major:minor`; for FUSE 0 and the connection's number. */
  readonly device: { readonly major: number; readonly minor: number };
  /** Absolute and without symlinks. */
  readonly mountpoint: string;
  /** Such as `fuse.filed`. */
  readonly type: string;
  readonly source: string;
}

/** The mount table; poll(2) reports its changes. */
export const MOUNTINFO = "/proc/self/mountinfo";

/**
 * The mounts that this process can see, oldest first: of several at one path the last is on top. No server
 * can make us wait for this.
 */
export function readMountInfo(): MountInfo[] {
  return parseMountInfo(readKernelFile(MOUNTINFO));
}

/** Whether it is a mount of that FUSE connection. */
export function isOf(connection: number, { device }: MountInfo): boolean {
  return device.major === 0 && device.minor === connection;
}

/** @param text Lines of proc_pid_mountinfo(5); others are left out. */
export function parseMountInfo(text: string): MountInfo[] {
  return text.split("\n").map(parseLine).filter((mount) => mount !== undefined);
}

/** `36 35 0:98 /root /mountpoint options optional... - type source superoptions` */
const LINE = /^\d+ \d+ (\d+):(\d+) \S+ (\S+) \S+(?: \S+)* - (\S+) (\S*) /;

function parseLine(line: string): MountInfo | undefined {
  const [, major, minor, mountpoint, type, source] = LINE.exec(line) ?? [];
  if (mountpoint === undefined || type === undefined || source === undefined) return undefined;
  return {
    device: { major: Number(major), minor: Number(minor) },
    mountpoint: unescapeOctal(mountpoint),
    type: unescapeOctal(type),
    source: unescapeOctal(source),
  };
}
