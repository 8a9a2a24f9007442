/**
 * Numbers that a file system meets in modes, open flags and rename flags; the same on x86-64 and arm64.
 * @see fcntl.h, sys/stat.h, linux/fs.h
 */
export const S_IFMT = 0o170000;
export const S_IFREG = 0o100000;
export const S_IFDIR = 0o040000;

export const O_ACCMODE = 0o3;
export const O_RDONLY = 0o0;
export const O_WRONLY = 0o1;
export const O_RDWR = 0o2;
export const O_EXCL = 0o200;
export const O_TRUNC = 0o1000;
export const O_APPEND = 0o2000;

export const RENAME_NOREPLACE = 1;
