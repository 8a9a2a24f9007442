const LAST_TIME_MS = 8.64e15; // ECMAScript, Time Values and Time Range

/**
 * A time that a client gives a file, within what a Date can hold: it may ask for any 64 bits of seconds.
 * Epoch ms.
 */
export function clientTime(time: number | "now", now: number): number {
  return time === "now" ? now : Math.max(-LAST_TIME_MS, Math.min(time, LAST_TIME_MS));
}
