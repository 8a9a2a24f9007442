import { kindOf } from "./content.ts";
import type { Asks } from "./header.ts";
import type { Bytes } from "./pieces.ts";
import { commandOf } from "./submission.ts";
import { describeEnding, type Ending } from "./ending.ts";

/** Of a longer command, a log has the beginning. */
const SHOWN_BYTES = 4_096;

/** What a log begins with: the command, as the shell would echo it; of a program, how long it is. */
export function logHeader(content: Bytes, asks: Asks): Uint8Array {
  if (kindOf(content) === "program") {
    return ENCODER.encode(`>>> [filed: a program of ${content.length} bytes]\n`);
  }
  const command = commandOf(content, asks);
  let end = command.length;
  while (end > 0 && command.at(end - 1) === NEWLINE) end--;
  if (end <= SHOWN_BYTES) return concat(PROMPT, command.subarray(0, end), Uint8Array.of(NEWLINE));
  const rest = ENCODER.encode(`\n[filed: ${end - SHOWN_BYTES} more bytes of the command]\n`);
  return concat(PROMPT, command.subarray(0, SHOWN_BYTES), rest);
}

/** What happened to an attempt besides its output. */
export interface LogEnd {
  ending: Ending;
  /** Output past `maxLogBytes` that is lost: what came between the kept beginning and `tail`. */
  droppedBytes: number;
  /** The last output, up to 64 KiB, if there was more than `maxLogBytes`; empty otherwise. */
  tail: Uint8Array;
  survivors: readonly Survivor[];
}

/** A process of a run that SIGKILL did not end. */
export interface Survivor {
  pid: number;
  /** Its name for itself; empty if nobody can tell. */
  name: string;
}

/**
 * What a log ends with, nothing after a plain success.
 * @param lastByte The last byte that the log has now.
 */
export function logEnd({ ending, droppedBytes, tail, survivors }: LogEnd, lastByte: number): Uint8Array {
  const parts: Uint8Array[] = [];
  let last = lastByte;
  const add = (bytes: Uint8Array) => {
    parts.push(bytes);
    last = bytes.at(-1) ?? last;
  };
  const addLines = (text: string) => add(ENCODER.encode(last === NEWLINE ? text : "\n" + text));
  if (droppedBytes > 0) addLines(`[filed: ${droppedBytes} bytes dropped]\n`);
  add(tail);
  if (survivors.length > 0) add(survivorsLine(survivors, last));
  const isSuccess = ending.kind === "exited" && ending.status === 0;
  if (!isSuccess) addLines(`\n\n[System Error]: ${describeEnding(ending)}\n`);
  return concat(...parts);
}

/**
 * What a log says of processes that SIGKILL did not end.
 * @param lastByte The last byte that the log has now.
 */
export function survivorsLine(survivors: readonly Survivor[], lastByte: number): Uint8Array {
  const text = `[filed: processes that could not be ended: ${describeSurvivors(survivors)}]\n`;
  return ENCODER.encode(lastByte === NEWLINE ? text : "\n" + text);
}

/** `4711 (cat), 4712 (dd)` */
export function describeSurvivors(survivors: readonly Survivor[]): string {
  return survivors.map(({ pid, name }) => `${pid} (${printable(name)})`).join(", ");
}

export const NEWLINE = 10;
const ENCODER = new TextEncoder();
const PROMPT = ENCODER.encode(">>> ");

function printable(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, "?");
}

/** The bytes of all, one after the other. */
export function concat(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let position = 0;
  for (const part of parts) {
    whole.set(part, position);
    position += part.length;
  }
  return whole;
}
