import { close } from "../files/file.ts";
import { check, LIBC } from "../libc.ts";

const { symbols: libc } = Deno.dlopen(LIBC, {
  fcntl: { parameters: ["i32", "i32", "i32"], result: "i32" },
});

const F_DUPFD_CLOEXEC = 1030; // fcntl.h

/** No program is given a descriptor as high as this. */
export const HIGHEST_FD = 9;

/** Descriptors to duplicate for a program, all above those that they become. */
export class Sources implements Disposable {
  readonly all: readonly number[];
  readonly #moved: number[] = [];

  constructor(fds: readonly number[]) {
    this.all = fds.map((fd) => fd > HIGHEST_FD ? fd : this.#move(fd));
  }

  [Symbol.dispose](): void {
    for (const fd of this.#moved) close(fd);
  }

  #move(fd: number): number {
    const moved = check(libc.fcntl(fd, F_DUPFD_CLOEXEC, HIGHEST_FD + 1), "fcntl F_DUPFD_CLOEXEC");
    this.#moved.push(moved);
    return moved;
  }
}
