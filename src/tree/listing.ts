import { type DirectorySink, type NodeId, ROOT_NODE } from "../fuse/mod.ts";

/** Cookies of `.` and `..` are 1 and 2; those of what is in a directory follow. */
export const FIRST_COOKIE = 2;

const ENCODER = new TextEncoder();

/** A record of a listing. @param number Counted from 1, and the same as long as the name is there. */
export function record(ino: bigint, number: number, type: "file" | "directory", name: string) {
  return { ino, cookie: number + FIRST_COOKIE, type, name: ENCODER.encode(name) };
}

/** @returns Whether there is room for more. */
export function addDots(ino: NodeId, cookie: number, sink: DirectorySink): boolean {
  return (cookie >= 1 || sink.add({ ...record(ino, 0, "directory", "."), cookie: 1 })) &&
    (cookie >= 2 || sink.add({ ...record(ROOT_NODE, 0, "directory", ".."), cookie: 2 }));
}
