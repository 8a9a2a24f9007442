/** struct statx, linux/stat.h: where what we use is. */
export const STATX = {
  uid: 20,
  gid: 24,
  mode: 28,
  ino: 32,
  blocks: 48,
  ctime_sec: 96,
  ctime_nsec: 104,
  dev_major: 136,
  dev_minor: 140,
  sizeof: 256,
} as const;
