/**
 * Linux error numbers by name. They are the same on x86-64 and arm64.
 * @see errno(3); asm-generic/errno-base.h and asm-generic/errno.h
 */
export const ERRNO = {
  EPERM: 1,
  ENOENT: 2,
  ESRCH: 3,
  EINTR: 4,
  EIO: 5,
  ENXIO: 6,
  E2BIG: 7,
  ENOEXEC: 8,
  EBADF: 9,
  ECHILD: 10,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EFAULT: 14,
  EBUSY: 16,
  EEXIST: 17,
  EXDEV: 18,
  ENODEV: 19,
  ENOTDIR: 20,
  EISDIR: 21,
  EINVAL: 22,
  ENFILE: 23,
  EMFILE: 24,
  ENOTTY: 25,
  ETXTBSY: 26,
  EFBIG: 27,
  ENOSPC: 28,
  ESPIPE: 29,
  EROFS: 30,
  EPIPE: 32,
  ERANGE: 34,
  EDEADLK: 35,
  ENAMETOOLONG: 36,
  ENOSYS: 38,
  ENOTEMPTY: 39,
  ELOOP: 40,
  ENODATA: 61,
  EPROTO: 71,
  EOVERFLOW: 75,
  ELIBBAD: 80,
  EILSEQ: 84,
  EOPNOTSUPP: 95,
  ECONNABORTED: 103,
  ENOTCONN: 107,
  ETIMEDOUT: 110,
  ECONNREFUSED: 111,
  ESTALE: 116,
  EDQUOT: 122,
  ECANCELED: 125,
} as const;

export type ErrnoName = keyof typeof ERRNO;

const NAME_OF = new Map<number, ErrnoName>(
  Object.entries(ERRNO).map(([name, number]) => [number, name as ErrnoName]),
);

/** The name of an error number, `undefined` for one that the table above does not list. */
export function errnoName(errno: number): ErrnoName | undefined {
  return NAME_OF.get(errno);
}

/** A system call's refusal: one that libc returned to us, or one that a file system answers to the kernel. */
export class ErrnoError extends Error {
  override readonly name = "ErrnoError";
  /** Positive, as in errno(3). */
  readonly errno: number;

  /** @param what The attempt that failed: most often the call and its arguments. */
  constructor(errno: ErrnoName | number, readonly what?: string, options?: ErrorOptions) {
    const number = typeof errno === "number" ? errno : ERRNO[errno];
    const label = errnoName(number) ?? `errno ${number}`;
    super(what ? `${what}: ${label}` : label, options);
    this.errno = number;
  }

  /** Whether it is one of these. */
  is(...names: ErrnoName[]): boolean {
    return names.some((name) => this.errno === ERRNO[name]);
  }
}
