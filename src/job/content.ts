/**
 * Why a command can never run, whatever is tried, in words that go on after "it".
 * @param extent `part`: more of it is to come, so that only what no later write mends is a fault. A hole,
 * which a file has where it was made longer and nothing is written yet, is NUL bytes.
 * @returns `undefined`: nothing is known against it.
 */
export function faultOf(command: Uint8Array, extent: "part" | "whole"): string | undefined {
  if (BYTE_ORDER_MARKS.some((mark) => startsWith(command, mark))) {
    return "begins with a byte order mark: save it as UTF-8 without one";
  }
  if (extent === "whole" && command.includes(NUL)) return nulFault(command);
  const newline = command.indexOf(NEWLINE);
  const end = newline >= 0 || extent === "part" ? newline : command.length;
  if (end > 0 && command[end - 1] === CARRIAGE_RETURN && !command.subarray(0, end).includes(NUL)) {
    return "has a carriage return at the end of its first line: give it the line ends of Unix, as dos2unix does";
  }
  return undefined;
}

/** Whether there is room in it that nobody has filled, to which no write of text alone leads. */
export function hasHole(command: Uint8Array): boolean {
  return command.includes(NUL);
}

/** Whether what somebody writes is more than NUL bytes, which some write to make room. */
export function isText(data: Uint8Array): boolean {
  return data.some((byte) => byte !== NUL);
}

/**
 * The same of what somebody writes to a command. NUL bytes alone are how some make room for what they write.
 * @param command As it is with that.
 */
export function faultOfWrite(command: Uint8Array, data: Uint8Array): string | undefined {
  const hasNul = data.includes(NUL) && isText(data);
  return hasNul ? nulFault(command) : faultOf(command, "part");
}

const NUL = 0;
const NEWLINE = 10;
const CARRIAGE_RETURN = 13;
const ELF = [0x7f, 0x45, 0x4c, 0x46];
/** Of UTF-8, and of UTF-16 in both orders. */
const BYTE_ORDER_MARKS = [[0xef, 0xbb, 0xbf], [0xff, 0xfe], [0xfe, 0xff]];

function nulFault(command: Uint8Array): string {
  return startsWith(command, ELF)
    ? "is a program, not a command: write a command that runs the program"
    : `has a NUL byte (byte ${command.indexOf(NUL) + 1}), which no command can have`;
}

function startsWith(bytes: Uint8Array, start: readonly number[]): boolean {
  return bytes.length >= start.length && start.every((byte, index) => bytes[index] === byte);
}
