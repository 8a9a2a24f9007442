/**
 * The layout of the protocol: opcodes, flags, and one offset table for each struct, named as in the header.
 * `sizeof` is the struct's size; padding is in comments.
 * @see linux/fuse.h 7.38; newer parts say since when. Kernel 5.15 speaks 7.34, 6.1 7.38, 6.18 7.45.
 */

/** Every supported CPU is little-endian; the protocol is in the host's order. */
export const HOST_ENDIAN = true;

export const FUSE_KERNEL_VERSION = 7;
/** The newest minor we reply. */
export const FUSE_KERNEL_MINOR_VERSION = 38;
/** The oldest minor we serve, that of kernel 5.4. No struct has changed its size since 7.23. */
export const FUSE_MINOR_OLDEST = 31;

/** The most bytes in one READ, WRITE or READDIR. We tell it as `max_write`, and in pages as `max_pages`. */
export const MAX_TRANSFER_BYTES = 131_072;

export const OPCODE = {
  LOOKUP: 1,
  FORGET: 2,
  GETATTR: 3,
  SETATTR: 4,
  READLINK: 5,
  SYMLINK: 6,
  MKNOD: 8,
  MKDIR: 9,
  UNLINK: 10,
  RMDIR: 11,
  RENAME: 12,
  LINK: 13,
  OPEN: 14,
  READ: 15,
  WRITE: 16,
  STATFS: 17,
  RELEASE: 18,
  FSYNC: 20,
  SETXATTR: 21,
  GETXATTR: 22,
  LISTXATTR: 23,
  REMOVEXATTR: 24,
  FLUSH: 25,
  INIT: 26,
  OPENDIR: 27,
  READDIR: 28,
  RELEASEDIR: 29,
  FSYNCDIR: 30,
  GETLK: 31,
  SETLK: 32,
  SETLKW: 33,
  ACCESS: 34,
  CREATE: 35,
  INTERRUPT: 36,
  BMAP: 37,
  DESTROY: 38,
  IOCTL: 39,
  POLL: 40,
  NOTIFY_REPLY: 41,
  BATCH_FORGET: 42,
  FALLOCATE: 43,
  READDIRPLUS: 44,
  RENAME2: 45,
  LSEEK: 46,
  COPY_FILE_RANGE: 47,
  SETUPMAPPING: 48,
  REMOVEMAPPING: 49,
  SYNCFS: 50,
  TMPFILE: 51,
  STATX: 52, // since 7.39
  COPY_FILE_RANGE_64: 53, // since 7.45
} as const;

/** The bits of `fuse_init_in.flags` that we ask for. */
export const INIT_FLAGS = {
  FUSE_ASYNC_READ: 1 << 0,
  FUSE_ATOMIC_O_TRUNC: 1 << 3,
  FUSE_BIG_WRITES: 1 << 5,
  FUSE_DONT_MASK: 1 << 6,
  FUSE_AUTO_INVAL_DATA: 1 << 12,
  FUSE_DO_READDIRPLUS: 1 << 13,
  FUSE_READDIRPLUS_AUTO: 1 << 14,
  FUSE_PARALLEL_DIROPS: 1 << 18,
  FUSE_ABORT_ERROR: 1 << 21,
  FUSE_MAX_PAGES: 1 << 22,
  FUSE_HANDLE_KILLPRIV_V2: 1 << 28,
} as const;

export const FUSE_GETATTR_FH = 1 << 0;
export const FUSE_FSYNC_FDATASYNC = 1 << 0;
export const FUSE_OPEN_KILL_SUIDGID = 1 << 0;
export const FUSE_WRITE_KILL_SUIDGID = 1 << 2;

export const FOPEN_DIRECT_IO = 1 << 0;
export const FOPEN_KEEP_CACHE = 1 << 1;

/** Bits of `fuse_setattr_in.valid`. */
export const FATTR = {
  MODE: 1 << 0,
  UID: 1 << 1,
  GID: 1 << 2,
  SIZE: 1 << 3,
  ATIME: 1 << 4,
  MTIME: 1 << 5,
  FH: 1 << 6,
  ATIME_NOW: 1 << 7,
  MTIME_NOW: 1 << 8,
  KILL_SUIDGID: 1 << 11,
} as const;

/** Bits of `fuse_statx.mask`, from linux/stat.h. */
export const STATX_BASIC_STATS = 0x7ff;
export const STATX_BTIME = 0x800;

export const IN_HEADER = {
  len: 0,
  opcode: 4,
  unique: 8,
  nodeid: 16,
  uid: 24,
  gid: 28,
  pid: 32,
  /* total_extlen: 36, padding: 38, */
  sizeof: 40,
} as const;
export const OUT_HEADER = { len: 0, error: 4, unique: 8, sizeof: 16 } as const;

/** Ends after `flags` up to 7.35. */
export const INIT_IN = {
  major: 0,
  minor: 4,
  max_readahead: 8,
  flags: 12,
  /* flags2: 16, unused: 20, */
  sizeof: 64,
} as const;
/** The size of `fuse_init_in` up to 7.35. */
export const INIT_IN_SIZE_OLD = 16;
export const INIT_OUT = {
  major: 0,
  minor: 4,
  max_readahead: 8,
  flags: 12,
  max_background: 16,
  congestion_threshold: 18,
  max_write: 20,
  time_gran: 24,
  max_pages: 28,
  /* map_alignment: 30, flags2: 32, unused: 36, */
  sizeof: 64,
} as const;

export const ATTR = {
  ino: 0,
  size: 8,
  blocks: 16,
  atime: 24,
  mtime: 32,
  ctime: 40,
  atimensec: 48,
  mtimensec: 52,
  ctimensec: 56,
  mode: 60,
  nlink: 64,
  uid: 68,
  gid: 72,
  /* rdev: 76, */
  blksize: 80,
  /* flags: 84, */
  sizeof: 88,
} as const;
export const ENTRY_OUT = {
  nodeid: 0,
  /* generation: 8, */
  entry_valid: 16,
  attr_valid: 24,
  entry_valid_nsec: 32,
  attr_valid_nsec: 36,
  attr: 40,
  sizeof: 128,
} as const;
export const ATTR_OUT = {
  attr_valid: 0,
  attr_valid_nsec: 8,
  /* dummy: 12, */ attr: 16,
  sizeof: 104,
} as const;
export const OPEN_OUT = { fh: 0, open_flags: 8, /* padding: 12, */ sizeof: 16 } as const;
export const WRITE_OUT = { size: 0, /* padding: 4, */ sizeof: 8 } as const;
/** fuse_direntplus: a fuse_entry_out, and then a fuse_dirent. */
export const DIRENTPLUS = { entry_out: 0, dirent: 128 } as const;
/** The name follows. A record is padded to 8 bytes. */
export const DIRENT = { ino: 0, off: 8, namelen: 16, type: 20, sizeof: 24 } as const;
export const KSTATFS = {
  blocks: 0,
  bfree: 8,
  bavail: 16,
  files: 24,
  ffree: 32,
  bsize: 40,
  namelen: 44,
  frsize: 48,
  /* padding: 52, spare: 56, */
  sizeof: 80,
} as const;
/** Since 7.39. */
export const STATX_OUT = {
  attr_valid: 0,
  attr_valid_nsec: 8,
  /* flags: 12, spare: 16, */ stat: 32,
  sizeof: 288,
} as const;
/** Since 7.39; the layout of `struct statx` in linux/stat.h. */
export const STATX = {
  mask: 0,
  blksize: 4,
  /* attributes: 8, */
  nlink: 16,
  uid: 20,
  gid: 24,
  mode: 28,
  ino: 32,
  size: 40,
  blocks: 48,
  /* attributes_mask: 56, */
  atime: 64,
  btime: 80,
  ctime: 96,
  mtime: 112,
  /* rdev_major: 128, rdev_minor: 132, dev_major: 136, dev_minor: 140, spare2: 144, */
  sizeof: 256,
} as const;
export const SX_TIME = { tv_sec: 0, tv_nsec: 8, /* reserved: 12, */ sizeof: 16 } as const;

export const FORGET_IN = { nlookup: 0, sizeof: 8 } as const;
export const BATCH_FORGET_IN = { count: 0, /* dummy: 4, */ sizeof: 8 } as const;
export const FORGET_ONE = { nodeid: 0, nlookup: 8, sizeof: 16 } as const;
export const INTERRUPT_IN = { unique: 0, sizeof: 8 } as const;
export const GETATTR_IN = { getattr_flags: 0, /* dummy: 4, */ fh: 8, sizeof: 16 } as const;
export const SETATTR_IN = {
  valid: 0,
  /* padding: 4, */
  fh: 8,
  size: 16,
  /* lock_owner: 24, */
  atime: 32,
  mtime: 40,
  /* ctime: 48, */
  atimensec: 56,
  mtimensec: 60,
  /* ctimensec: 64, */
  mode: 68,
  /* unused4: 72, */
  uid: 76,
  gid: 80,
  /* unused5: 84, */
  sizeof: 88,
} as const;
export const MKNOD_IN = { mode: 0, rdev: 4, umask: 8, /* padding: 12, */ sizeof: 16 } as const;
export const MKDIR_IN = { mode: 0, umask: 4, sizeof: 8 } as const;
export const RENAME_IN = { newdir: 0, sizeof: 8 } as const;
export const RENAME2_IN = { newdir: 0, flags: 8, /* padding: 12, */ sizeof: 16 } as const;
export const OPEN_IN = { flags: 0, open_flags: 4, sizeof: 8 } as const;
export const CREATE_IN = { flags: 0, mode: 4, umask: 8, open_flags: 12, sizeof: 16 } as const;
export const READ_IN = {
  fh: 0,
  offset: 8,
  size: 16,
  /* read_flags: 20, lock_owner: 24, */
  flags: 32,
  /* padding: 36, */
  sizeof: 40,
} as const;
export const WRITE_IN = {
  fh: 0,
  offset: 8,
  size: 16,
  write_flags: 20,
  /* lock_owner: 24, */
  flags: 32,
  /* padding: 36, */
  sizeof: 40,
} as const;
export const FLUSH_IN = { fh: 0, /* unused: 8, padding: 12, lock_owner: 16, */ sizeof: 24 } as const;
export const RELEASE_IN = { fh: 0, /* flags: 8, release_flags: 12, lock_owner: 16, */ sizeof: 24 } as const;
export const FSYNC_IN = { fh: 0, fsync_flags: 8, /* padding: 12, */ sizeof: 16 } as const;
/** Since 7.39; its start is that of `fuse_getattr_in`. */
export const STATX_IN = {
  getattr_flags: 0,
  /* reserved: 4, */ fh: 8,
  /* sx_flags: 16, sx_mask: 20, */ sizeof: 24,
} as const;
