/** What runs a job: sh, with the content as its text; the interpreter that its `#!` names; or the content itself. */
export type ContentKind = "text" | "script" | "program";

export function kindOf(content: Uint8Array): ContentKind {
  if (startsWith(content, SCRIPT)) return "script";
  return startsWith(content, ELF) ? "program" : "text";
}

/**
 * Why a job's content can never run, whatever is tried, in words that go on after "it".
 * @param extent `part`: more of it is to come, so that only what no later write mends is a fault. A hole,
 * which a file has where it was made longer and nothing is written yet, is NUL bytes.
 * @returns `undefined`: nothing is known against it.
 */
export function faultOf(content: Uint8Array, extent: "part" | "whole"): string | undefined {
  if (BYTE_ORDER_MARKS.some((mark) => startsWith(content, mark))) {
    return "begins with a byte order mark: save it as UTF-8 without one";
  }
  const kind = kindOf(content);
  if (kind === "program") return undefined;
  if (kind === "text" && extent === "whole" && content.includes(NUL)) return nulFault(content);
  const newline = content.indexOf(NEWLINE);
  const end = newline >= 0 || extent === "part" ? newline : content.length;
  if (end > 0 && content[end - 1] === CARRIAGE_RETURN && !content.subarray(0, end).includes(NUL)) {
    return "has a carriage return at the end of its first line: give it the line ends of Unix, as dos2unix does";
  }
  return undefined;
}

/** Whether there may be room in it that nobody has filled, to which no write of text alone leads. */
export function hasHole(content: Uint8Array): boolean {
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
export function faultOfWrite(content: Uint8Array, data: Uint8Array): string | undefined {
  const hasNul = kindOf(content) === "text" && content[0] !== NUL && data.includes(NUL) && isText(data);
  return hasNul ? nulFault(content) : faultOf(content, "part");
}

const NUL = 0;
const NEWLINE = 10;
const CARRIAGE_RETURN = 13;
const SCRIPT = [0x23, 0x21];
/** EI_MAG, elf(5). */
const ELF = [0x7f, 0x45, 0x4c, 0x46];
/** Of UTF-8, and of UTF-16 in both orders. */
const BYTE_ORDER_MARKS = [[0xef, 0xbb, 0xbf], [0xff, 0xfe], [0xfe, 0xff]];

function nulFault(text: Uint8Array): string {
  return `has a NUL byte (byte ${text.indexOf(NUL) + 1}), which no command can have`;
}

function startsWith(bytes: Uint8Array, start: readonly number[]): boolean {
  return bytes.length >= start.length && start.every((byte, index) => bytes[index] === byte);
}
