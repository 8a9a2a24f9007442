import { FIRST_LINE_BYTES, firstNewline, nulFaultOfWrite } from "./content.ts";
import { findData, type Header, readLines } from "./header.ts";
import type { Bytes } from "./pieces.ts";
import { judge, type Submission } from "./submission.ts";

/** What no later write changes, unless it goes to before `to`. */
interface Known {
  header: Header | undefined;
  to: number;
  /** The line that ends the command is not there yet, before `from`. */
  sought: { word: string; from: number } | undefined;
}

/**
 * Judges a content while it is written, as `judge` does a part of one. What it has found of the beginning is kept,
 * so that a write costs what it brings: one that judged all there is would cost more with each.
 */
export class Judging {
  #known: Known | undefined;

  /** From there on it may be another now. */
  changed(from: number) {
    const { to, sought } = this.#known ?? { to: 0, sought: undefined };
    if (from < Math.max(to, sought?.from ?? 0)) this.#known = undefined;
  }

  /**
   * @param content As it is with what was written, of which `changed` was told.
   * @param written What a write has brought.
   */
  judge(content: Bytes, written: Uint8Array, now: number): Submission {
    const known = this.#known;
    if (!known) return this.#judgeAll(content, written, now);
    const isData = known.header?.asks.stdin !== undefined;
    const fault = isData ? undefined : nulFaultOfWrite(content, written);
    if (fault !== undefined) return { kind: "refused", reason: `it ${fault}` };
    if (known.sought && known.header) this.#seek(known, known.header, known.sought, content);
    return { kind: "sound", header: known.header };
  }

  #judgeAll(content: Bytes, written: Uint8Array, now: number): Submission {
    const submission = judge(content, "part", now, written);
    if (submission.kind === "refused") return submission;
    const { header } = submission;
    const { settledAt, data } = readLines(content, "part", now);
    const newline = firstNewline(content);
    if (settledAt === undefined || newline < 0 && content.length < FIRST_LINE_BYTES) return submission;
    const to = Math.max(
      settledAt,
      newline < 0 ? FIRST_LINE_BYTES : newline + 1,
      header?.asks.stdin?.dataAt ?? 0,
    );
    const isSought = data !== undefined && header?.asks.stdin === undefined;
    const sought = isSought
      ? { ...data, from: findData(content, data.word, data.from, "part").from }
      : undefined;
    this.#known = { header, to, sought };
    return submission;
  }

  #seek(known: Known, header: Header, { word, from }: { word: string; from: number }, content: Bytes) {
    const found = findData(content, word, from, "part");
    known.sought = found.stdin ? undefined : { word, from: found.from };
    if (!found.stdin) return;
    known.header = { ...header, asks: { ...header.asks, stdin: found.stdin } };
    known.to = Math.max(known.to, found.stdin.dataAt);
  }
}
