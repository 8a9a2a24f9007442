import type { JobNo } from "./id.ts";

/** A lock that a job asks for: of those of its owner that ask for the same, one runs at a time. */
export interface Lock {
  name: string;
  /** Of those that wait for it, ask for this and never started, only the newest stays. */
  coalesce?: true;
}

/** Why a job waits for its lock. */
export type LockObstacle =
  /** A run of that job has it, until the last of its processes is gone. */
  | { kind: "lock"; name: string; because: "held"; by: JobNo }
  /** Another job is before it. */
  | { kind: "lock"; name: string; because: "behind" };

const MAX_NAME_BYTES = 255;
const COALESCE = "coalesce";
/** What is in no name: it would hide in a message. */
const CONTROL = /\p{Cc}/u;
const ENCODER = new TextEncoder();

/** Reads `deploy` or `deploy,coalesce`. @returns `undefined`: it is no such thing. */
export function parseLock(text: string): Lock | undefined {
  const [name = "", how, ...more] = text.split(",");
  const isName = name !== "" && !CONTROL.test(name) && ENCODER.encode(name).length <= MAX_NAME_BYTES;
  if (!isName || more.length > 0 || how !== undefined && how !== COALESCE) return undefined;
  return how === undefined ? { name } : { name, coalesce: true };
}

/** What a job that a newer one replaces ends with. */
export function replacedBy(id: string): string {
  return `replaced by ${id}`;
}
