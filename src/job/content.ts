import type { Bytes } from "./pieces.ts";

/** What runs a job: sh, with the content as its text; the interpreter that its `#!` names; or the content itself. */
export type ContentKind = "text" | "script" | "program";

export function kindOf(content: Bytes): ContentKind {
  if (startsWith(content, SCRIPT)) return "script";
  return startsWith(content, ELF) ? "program" : "text";
}

/**
 * Why a job's content can never run, whatever is tried, in words that go on after "it".
 * @param extent `part`: more of it is to come, so that only what no later write mends is a fault. A hole,
 * which a file has where it was made longer and nothing is written yet, is NUL bytes.
 * @returns `undefined`: nothing is known against it.
 */
export function faultOf(content: Bytes, extent: "part" | "whole"): string | undefined {
  if (BYTE_ORDER_MARKS.some((mark) => startsWith(content, mark))) {
    return "begins with a byte order mark: save it as UTF-8 without one";
  }
  const kind = kindOf(content);
  if (kind === "program") return undefined;
  if (kind === "text" && extent === "whole" && content.includes(NUL)) return nulFault(content);
  const newline = extent === "whole" ? content.indexOf(NEWLINE) : firstNewline(content);
  const end = newline >= 0 || extent === "part" ? newline : content.length;
  if (end > 0 && content.at(end - 1) === CARRIAGE_RETURN && !content.subarray(0, end).includes(NUL)) {
    return "has a carriage return at the end of its first line: give it the line ends of Unix, as dos2unix does";
  }
  return undefined;
}

/**
 * Where the first line of a content ends that is being written; -1: it does not, as far as that is looked for. Each
 * write asks this, and a content may be long.
 */
export function firstNewline(content: Bytes): number {
  return content.subarray(0, FIRST_LINE_BYTES).indexOf(NEWLINE);
}

/** Whether there may be room in it that nobody has filled, to which no write of text alone leads. */
export function hasHole(content: Bytes): boolean {
  return content.includes(NUL);
}

/** Whether what somebody writes is more than NUL bytes, which some write to make room. */
export function isText(data: Uint8Array): boolean {
  return data.some((byte) => byte !== NUL);
}

/**
 * The same of what somebody writes to it. To write NUL bytes alone is how some make room for what they write
 * then; what begins with such room may become anything.
 * @param content As it is with that.
 */
export function faultOfWrite(content: Bytes, data: Uint8Array): string | undefined {
  return nulFaultOfWrite(content, data) ?? faultOf(content, "part");
}

/** That part of it which what was written before does not tell. */
export function nulFaultOfWrite(content: Bytes, data: Uint8Array): string | undefined {
  const hasNul = kindOf(content) === "text" && content.at(0) !== NUL && data.includes(NUL) && isText(data);
  return hasNul ? nulFault(content) : undefined;
}

/** A longer first line is looked at once it is closed. */
export const FIRST_LINE_BYTES = 65_536;
const NUL = 0;
const NEWLINE = 10;
const CARRIAGE_RETURN = 13;
const SCRIPT = [0x23, 0x21];
/** EI_MAG, elf(5). */
const ELF = [0x7f, 0x45, 0x4c, 0x46];
/** Of UTF-8, and of UTF-16 in both orders. */
const BYTE_ORDER_MARKS = [[0xef, 0xbb, 0xbf], [0xff, 0xfe], [0xfe, 0xff]];

function nulFault(text: Bytes): string {
  return `has a NUL byte (byte ${text.indexOf(NUL) + 1}), which no command can have`;
}

function startsWith(bytes: Bytes, start: readonly number[]): boolean {
  return bytes.length >= start.length && start.every((byte, index) => bytes.at(index) === byte);
}
