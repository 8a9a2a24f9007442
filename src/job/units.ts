/** What a number may be followed by, and how many of the smallest there are in it. */
const SECONDS = { d: 86_400, h: 3_600, m: 60, s: 1 } as const;
const BYTES = { t: 2 ** 40, g: 2 ** 30, m: 2 ** 20, k: 2 ** 10, b: 1 } as const;
const MIB = BYTES.m;

/** What a number counts, if nothing follows it. */
export type Unit = "seconds" | "bytes" | "mebibytes";

/** How each is written with a unit, for messages. */
export const UNIT_EXAMPLES: Record<Unit, string> = {
  seconds: "seconds, or a duration such as 1h30m",
  bytes: "bytes, or a size such as 64k",
  mebibytes: "MiB, or a size such as 2g",
};

/**
 * A number as somebody writes it: `90`, `1.5`, `1h30m`, `2g`; capitals make no difference in units.
 * @returns In `unit`; `undefined`: it is none.
 */
export function parseQuantity(text: string, unit: Unit | undefined): number | undefined {
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text);
  const lower = text.toLowerCase();
  if (unit === "seconds") return sumOf(lower);
  if (unit === undefined) return undefined;
  const [, number, of] = /^(\d+(?:\.\d+)?)([tgmkb])(?:ib)?$/.exec(lower) ?? [];
  if (number === undefined || of === undefined) return undefined;
  const bytes = Number(number) * BYTES[of as keyof typeof BYTES];
  return unit === "bytes" ? bytes : bytes / MIB;
}

/** Of a duration, in seconds: each unit once, the larger ones first. */
function sumOf(text: string): number | undefined {
  const parts = /^(?:(\d+(?:\.\d+)?)d)?(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?$/.exec(
    text,
  );
  if (!parts || text === "") return undefined;
  const numbers = parts.slice(1).map((part) => Number(part ?? 0));
  return Object.values(SECONDS).reduce((sum, seconds, index) => sum + seconds * (numbers[index] ?? 0), 0);
}

export const MOMENT_EXAMPLES = "+90m, 18:00, 2026-12-24T18:00 or @EPOCH";

/**
 * A point in time as somebody writes it: `+90m`, `18:00` (the next one), `2026-12-24T18:00`, with seconds if
 * wanted, `@EPOCH` in seconds. Times of day are of this process's time zone.
 * @param now Epoch ms. @returns Epoch ms; `undefined`: it is none.
 */
export function parseMoment(text: string, now: number): number | undefined {
  if (text.startsWith("+")) {
    const seconds = parseQuantity(text.slice(1), "seconds");
    return seconds === undefined ? undefined : now + seconds * 1_000;
  }
  if (/^@\d{1,12}(\.\d+)?$/.test(text)) return Number(text.slice(1)) * 1_000;
  const time = /^(\d{1,2}):(\d\d)(?::(\d\d))?$/.exec(text);
  if (time) return nextTimeOfDay(time.slice(1).map((part) => Number(part ?? 0)), now);
  if (!/^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d)?(Z|[+-]\d\d:\d\d)?)?$/.test(text)) return undefined;
  const at = Date.parse(text.includes("T") ? text : `${text}T00:00`); // Without a zone, of this one: ECMA-262, Date.
  return Number.isNaN(at) || !isInCalendar(text) ? undefined : at;
}

function nextTimeOfDay(
  [hours = 0, minutes = 0, seconds = 0]: readonly number[],
  now: number,
): number | undefined {
  if (hours > 23 || minutes > 59 || seconds > 59) return undefined;
  const at = new Date(now);
  at.setHours(hours, minutes, seconds, 0);
  if (at.getTime() <= now) at.setDate(at.getDate() + 1);
  return at.getTime();
}

/** Whether the month has that day: to `Date`, February 30th is March 2nd. */
function isInCalendar(text: string): boolean {
  const date = text.slice(0, "2026-12-24".length);
  return new Date(`${date}T00:00Z`).toISOString().startsWith(date);
}
