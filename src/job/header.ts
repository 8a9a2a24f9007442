import leven from "leven";
import { split } from "shlex";
import { DEPENDENCY_KINDS, parseReferences, type References, REFERENCES_OF } from "./dependencies.ts";
import type { Bytes } from "./pieces.ts";
import { type Config, expectation, obeys, PRIORITY, RULES } from "./config.ts";
import { type Lock, parseLock } from "./locks.ts";
import { MAX_SLOTS, parseUse, type Use } from "./pools.ts";
import { MOMENT_EXAMPLES, parseMoment, parseQuantity, UNIT_EXAMPLES } from "./units.ts";

/** The settings of config.json that a job may have its own of. */
export const OWN_SETTINGS = [
  "timeoutSec",
  "maxAttempts",
  "backoffBase",
  "backoffMult",
  "maxLogBytes",
  "maxMemoryMb",
  "maxCpuSec",
  "maxFileMb",
  "maxOpenFiles",
  "nice",
] as const satisfies (keyof Config)[];

/** What a job asks for by its header; what is absent is as config.json has it. Times are epoch ms. */
export interface Asks extends Partial<Pick<Config, typeof OWN_SETTINGS[number]>>, References {
  /** It waits since an older filed, and is text for sh, whatever it begins with. */
  old?: true;
  /** Its first attempt starts no earlier. */
  startAt?: number;
  /** Its first attempt starts no later, or never. */
  deadlineAt?: number;
  /** -100 to 100, higher first. */
  priority?: number;
  /** Slots of pools that it has while it runs. */
  use?: Use;
  lock?: Lock;
  /** Exit statuses that no further attempt can mend, each from and to. */
  finalStatuses?: [from: number, to: number][];
  /** It hears SIGUSR1 so many seconds before its timeout. */
  warnSec?: number;
  /** Where it runs. */
  cwd?: string;
  /** How long the command is, and where its standard input begins, in bytes of the content. */
  stdin?: { commandBytes: number; dataAt: number };
}

/** Of a job without a header. */
export const NO_ASKS: Asks = {};

/** The header of a job. */
export interface Header {
  asks: Asks;
  /** Nothing to run follows it. */
  isAlone: boolean;
}

export type ParsedHeader =
  | { kind: "asks" } & Header
  /** `reason` says in which line what is wrong, and what would be right. */
  | { kind: "refused"; reason: string };

/** What a longer header has behind this is data. */
const MAX_HEADER_BYTES = 65_536;
/** Of one line: each write that follows has it read again. */
const MAX_DIRECTIVE_BYTES = 16_384;

/** The lines of a header. */
interface Lines {
  asks: Asks;
  isAny: boolean;
  /** What is wrong with one of them. */
  fault: string | undefined;
  /** Behind the last. */
  end: number;
  /** Whatever follows what is before this, there is no other. `undefined`: there may be. */
  settledAt: number | undefined;
  /** The line that ends the command, and where the lines begin that can be it. */
  data: { word: string; from: number } | undefined;
}

/**
 * What a job asks for: the first lines of its content, behind a `#!` line, as long as they are comments or empty.
 * A line `#filed KEY=VALUE …` among them is a directive; where an interpreter reads it, `//filed` and `--filed` are
 * as well.
 * @param extent `part`: more may follow, so a line counts once its newline is there.
 * @param now Epoch ms, for times that count from now.
 * @returns `undefined`: it has no directive.
 */
export function parseHeader(
  content: Bytes,
  extent: "part" | "whole",
  now: number,
): ParsedHeader | undefined {
  const { fault, isAny, asks, data, end } = readLines(content, extent, now);
  if (fault !== undefined) return { kind: "refused", reason: fault };
  if (!isAny) return undefined;
  const stdin = data && findData(content, data.word, data.from, extent).stdin;
  if (stdin) return { kind: "asks", asks: { ...asks, stdin }, isAlone: end >= stdin.commandBytes };
  if (!data || extent === "part") return { kind: "asks", asks, isAlone: end >= content.length };
  return { kind: "refused", reason: `stdin=${data.word}: no line is ${data.word}, behind which the data is` };
}

/** The lines of a content's header, as `parseHeader`. */
export function readLines(content: Bytes, extent: "part" | "whole", now: number): Lines {
  const lines: Lines = {
    asks: {},
    isAny: false,
    fault: undefined,
    end: 0,
    settledAt: undefined,
    data: undefined,
  };
  const first = content.at(0);
  if (first !== undefined && !MAY_BEGIN.has(first)) lines.settledAt = 1; // As with nearly all.
  if (first === undefined || lines.settledAt !== undefined) return lines;
  const isScript = first === HASH && content.at(1) === BANG;
  const keys = new Set<string>();
  const head = content.subarray(0, MAX_HEADER_BYTES);
  const isAll = head.length === content.length;
  for (let number = 1; lines.end < head.length; number++) {
    const newline = head.indexOf(NEWLINE, lines.end);
    if (newline < 0 && (extent === "part" || !isAll)) break;
    const end = newline < 0 ? head.length : newline;
    const text = number === 1 && isScript ? NO_DIRECTIVE : findText(head, lines.end, end, isScript);
    if (text === NO_HEADER) {
      lines.settledAt = end + 1;
      return lines;
    }
    lines.end = end + 1;
    if (text === NO_DIRECTIVE) continue;
    const fault = end - text > MAX_DIRECTIVE_BYTES
      ? `it is longer than ${MAX_DIRECTIVE_BYTES} bytes`
      : takeLine(LINES.decode(head.subarray(text, end)), lines, keys, now);
    if (fault !== undefined) lines.fault = `line ${number}: ${fault}`;
    if (fault !== undefined) return lines;
  }
  if (head.length === MAX_HEADER_BYTES) lines.settledAt = MAX_HEADER_BYTES;
  return lines;
}

const NO_HEADER = -1;
const NO_DIRECTIVE = 0;

/**
 * Where the text of a directive begins, in a line of the header. By bytes: each write looks at all lines again, and
 * nearly none is a directive.
 */
function findText(content: Uint8Array, at: number, end: number, isScript: boolean): number {
  const first = skipBlanks(content, at, end);
  if (first === end) return NO_DIRECTIVE;
  const mark = content[first];
  const isLong = isScript && (mark === SLASH || mark === DASH) && first + 1 < end &&
    content[first + 1] === mark;
  if (mark !== HASH && !isLong) return NO_HEADER;
  const word = first + (isLong ? 2 : 1);
  const behind = word + FILED.length;
  if (
    behind >= end || !isBlank(content[behind]) ||
    !FILED.every((byte, index) => content[word + index] === byte)
  ) {
    return NO_DIRECTIVE;
  }
  const text = skipBlanks(content, behind, end);
  return text === end ? NO_DIRECTIVE : text;
}

function skipBlanks(content: Uint8Array, at: number, end: number): number {
  while (at < end && isBlank(content[at])) at++;
  return at;
}

function isBlank(byte: number | undefined): boolean {
  return byte === SPACE || byte === TAB;
}

/**
 * @param lines To which it is added.
 * @param keys As written, to find one that is there twice.
 * @returns What is wrong with it.
 */
function takeLine(text: string, lines: Lines, keys: Set<string>, now: number): string | undefined {
  if (text.includes(REPLACEMENT)) return "it is not UTF-8";
  let words: string[];
  try {
    words = split(text);
  } catch {
    return "a quote is not closed";
  }
  for (const word of words) {
    lines.isAny = true;
    const equals = word.indexOf("=");
    const key = equals < 0 ? word : word.slice(0, equals);
    const rule = KEYS.get(key);
    if (!rule) return `${key}: no such key; ${suggestionFor(key)}`;
    if (equals < 0) return `${key}: it takes a value, as in ${key}=${rule.example}`;
    if (keys.has(key)) return `${key}: it is there twice`;
    keys.add(key);
    const value = word.slice(equals + 1);
    if (key === "stdin") lines.data = { word: value, from: lines.end };
    const asks = rule.read(value, now);
    if (!asks) return `${key}=${value}: it takes ${rule.takes}`;
    Object.assign(lines.asks, asks);
  }
  return undefined;
}

interface Key {
  /** @returns `undefined`: it can't be that. */
  read(value: string, now: number): Asks | undefined;
  /** What it can be, in words. */
  takes: string;
  example: string;
}

/** The settings of config.json, by the same names. */
const SETTINGS = OWN_SETTINGS.map((name): [string, Key] => {
  const rule = RULES[name];
  const units = rule.unit ? ` (${UNIT_EXAMPLES[rule.unit]})` : "";
  const read = (text: string) => {
    const value = parseQuantity(text, rule.unit);
    return obeys(value, rule) ? { [name]: value } : undefined;
  };
  return [rule.key, { read, takes: `${expectation(rule)}${units}`, example: String(Math.max(1, rule.min)) }];
});

const DEPENDENCIES = DEPENDENCY_KINDS.map((kind): [string, Key] => {
  const read = (value: string) => asked(REFERENCES_OF[kind], parseReferences(value));
  const takes = "ids separated by commas, such as build,test; also batch-* (those there are) and ?later";
  return [kind, { read, takes, example: "build" }];
});

const KEYS: ReadonlyMap<string, Key> = new Map<string, Key>([
  ...SETTINGS,
  ["start", {
    read: (value, now) => asked("startAt", parseMoment(value, now)),
    takes: `a time: ${MOMENT_EXAMPLES}`,
    example: "18:00",
  }],
  ["deadline", {
    read: (value, now) => asked("deadlineAt", parseMoment(value, now)),
    takes: `a time: ${MOMENT_EXAMPLES}`,
    example: "+90m",
  }],
  ["priority", {
    read: (value) => {
      const priority = /^[+-]?\d+$/.test(value) ? Number(value) : undefined;
      return obeys(priority, PRIORITY) ? { priority } : undefined;
    },
    takes: expectation(PRIORITY),
    example: "10",
  }],
  ["use", {
    read: (value) => asked("use", parseUse(value)),
    takes: `pools, each once, with how many of its slots (1 to ${MAX_SLOTS}), such as gpu:2,api`,
    example: "gpu:2",
  }],
  ["lock", {
    read: (value) => asked("lock", parseLock(value)),
    takes: "a name without a comma, up to 255 bytes, and behind a comma coalesce",
    example: "deploy",
  }],
  ...DEPENDENCIES,
  ["final", {
    read: (value) => asked("finalStatuses", parseStatuses(value)),
    takes: "exit statuses from 1 to 255, such as 2,64-78",
    example: "2,64-78",
  }],
  ["warn_sec", {
    read: (value) => {
      const seconds = parseQuantity(value, "seconds");
      return Number.isInteger(seconds) && seconds ? { warnSec: seconds } : undefined;
    },
    takes: `a whole number from 1 on (${UNIT_EXAMPLES.seconds})`,
    example: "30",
  }],
  ["cwd", {
    read: (value) => value.startsWith("/") && !value.includes("\0") ? { cwd: value } : undefined,
    takes: "the path of a directory, from / on",
    example: "/srv/build",
  }],
  ["stdin", {
    read: (value) => value === "" || value.includes("\n") ? undefined : {},
    takes: "the line that ends the command",
    example: "END",
  }],
]);

function asked<Name extends keyof Asks>(name: Name, value: Asks[Name] | undefined): Asks | undefined {
  return value === undefined ? undefined : { [name]: value };
}

function parseStatuses(text: string): [number, number][] | undefined {
  const parts = text.split(",", MAX_STATUSES + 1);
  if (parts.length > MAX_STATUSES) return undefined;
  const ranges = parts.map((part) => {
    const [, from, to = from] = /^(\d+)(?:-(\d+))?$/.exec(part) ?? [];
    return [Number(from), Number(to)] as [number, number];
  });
  return ranges.every(([from, to]) => from >= 1 && from <= to && to <= 255) ? ranges : undefined;
}

/** Of a key that is not known: the one that was probably meant, with its unit or without, or all. */
function suggestionFor(key: string): string {
  const keys = [...KEYS.keys()];
  const all = `the keys are ${keys.join(", ")}`;
  if (key.length > MAX_KEY_LENGTH) return all;
  const distanceTo = (known: string) => Math.min(leven(key, known), leven(key, known.replace(UNIT, "")));
  const [nearest] = keys.map((known) => ({ known, distance: distanceTo(known) }))
    .sort((one, other) => one.distance - other.distance);
  const isMeant = nearest && nearest.distance <= Math.min(MAX_TYPOS, key.length / 2);
  return isMeant ? `did you mean ${nearest.known}?` : all;
}

/**
 * Finds the line that ends the command, from a position on.
 * @returns `from`: where to go on, if more is written.
 */
export function findData(
  content: Bytes,
  word: string,
  from: number,
  extent: "part" | "whole",
): { stdin: Asks["stdin"]; from: number } {
  const line = ENCODER.encode(word);
  let at = from;
  while (at < content.length) {
    const newline = content.indexOf(NEWLINE, at);
    if (newline < 0 && extent === "part") break;
    const end = newline < 0 ? content.length : newline;
    if (end - at === line.length && line.every((byte, index) => content.at(at + index) === byte)) {
      return { stdin: { commandBytes: at, dataAt: Math.min(end + 1, content.length) }, from };
    }
    at = end + 1;
  }
  return { stdin: undefined, from: at };
}

const UNIT = /_(?:sec|mb|bytes)$/;
const MAX_TYPOS = 3;
/** What is longer is no key that is mistyped. */
const MAX_KEY_LENGTH = 32;
/** There are no more to be told apart. */
const MAX_STATUSES = 255;
const NEWLINE = 10;
const HASH = 0x23;
const BANG = 0x21;
const SLASH = 0x2f;
const DASH = 0x2d;
const SPACE = 0x20;
const TAB = 0x09;
/** What a header can begin with: a comment or a `#!` line, or an empty one. */
const MAY_BEGIN: ReadonlySet<number> = new Set([HASH, NEWLINE, SPACE, TAB]);
const LINES = new TextDecoder();
/** What that makes of bytes that are not UTF-8. */
const REPLACEMENT = "\ufffd";
const ENCODER = new TextEncoder();
const FILED = [...ENCODER.encode("filed")];
