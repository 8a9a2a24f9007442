import { faultOf, faultOfWrite } from "./content.ts";
import { type Asks, type Header, NO_ASKS, parseHeader } from "./header.ts";
import type { Bytes } from "./pieces.ts";

/** What a job's content comes to. */
export type Submission =
  | { kind: "sound"; header: Header | undefined }
  /** It can never run; `reason` says why, and what would be right. */
  | { kind: "refused"; reason: string };

/**
 * Judges what somebody submits.
 * @param extent `part`: more of it is to come, so that only what no later write mends counts.
 * @param written What a write has just brought of it.
 * @param now Epoch ms, for times that count from now.
 */
export function judge(
  content: Bytes,
  extent: "part" | "whole",
  now: number,
  written?: Uint8Array,
): Submission {
  const header = parseHeader(content, extent, now);
  if (header?.kind === "refused") return header;
  const command = commandOf(content, header?.asks ?? NO_ASKS);
  const isCommand = command.length === content.length || written === undefined;
  const fault = written && isCommand ? faultOfWrite(command, written) : faultOf(command, extent);
  if (fault !== undefined) return { kind: "refused", reason: `it ${fault}` };
  return { kind: "sound", header };
}

/** What is run of a job's content: all, or what is before its standard input. */
export function commandOf(content: Bytes, asks: Asks): Bytes {
  return asks.stdin ? content.subarray(0, asks.stdin.commandBytes) : content;
}

/** The job's standard input; `undefined`: it has none. */
export function stdinOf(content: Bytes, asks: Asks): Uint8Array | undefined {
  return asks.stdin && content.subarray(asks.stdin.dataAt);
}
