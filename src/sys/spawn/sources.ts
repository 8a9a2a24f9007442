import { close, duplicate } from "../files/file.ts";

/** No program is given a descriptor as high as this. */
const HIGHEST_FD = 9;

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
    const moved = duplicate(fd, HIGHEST_FD + 1);
    this.#moved.push(moved);
    return moved;
  }
}
