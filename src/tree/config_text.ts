import { getLogger } from "@logtape/logtape";
import { ErrnoError } from "../fuse/mod.ts";
import { formatConfig, parseConfig } from "../job/config.ts";
import type { Queue } from "../queue/queue.ts";

const log = getLogger(["filed", "tree"]);

/** As long as what the settings are written with may be. */
export const MAX_CONFIG_BYTES = 65_536;

/** The settings as the text of a file, be it config.json or one that takes its place. */
export class ConfigText {
  readonly #queue: Queue;
  readonly #now: () => number;
  changedAt: number;

  constructor(queue: Queue, now: () => number) {
    this.#queue = queue;
    this.#now = now;
    this.changedAt = now();
  }

  async bytes(): Promise<Uint8Array> {
    return new TextEncoder().encode(formatConfig(await this.#queue.config()));
  }

  /**
   * Applies the text if it is whole JSON.
   * @param how `part`: more of it may come.
   * @throws {ErrnoError} EINVAL if it is no JSON object of settings, or can't become one; then nothing
   * changes.
   */
  async apply(bytes: Uint8Array, how: "part" | "whole"): Promise<void> {
    const parsed = parse(bytes, how);
    if (parsed.kind !== "settings") return;
    await this.#queue.configure(parsed.settings);
    this.changedAt = this.#now();
    log.info("config.json applied", parsed.settings);
  }
}

/** @throws {ErrnoError} EINVAL if it is no JSON object of settings, or can't become one. */
function parse(bytes: Uint8Array, how: "part" | "whole") {
  const parsed = parseBytes(bytes);
  if (parsed.kind === "invalid") throw invalid(parsed.reason);
  if (parsed.kind === "incomplete" && how === "whole") throw invalid("the JSON ends too early");
  return parsed;
}

/** Why a file can't take the place of config.json, whatever follows in it. */
export function faultOf(bytes: Uint8Array): string | undefined {
  const parsed = parseBytes(bytes);
  return parsed.kind === "invalid" ? parsed.reason : undefined;
}

/** @throws {ErrnoError} EINVAL if what was written ends too early; nothing but blanks does not. */
export function requireWhole(bytes: Uint8Array) {
  const text = textOf(bytes);
  if (text === undefined || text.trim() !== "") parse(bytes, "whole");
}

function parseBytes(bytes: Uint8Array) {
  const text = textOf(bytes);
  return text === undefined ? { kind: "invalid", reason: "not UTF-8" } as const : parseConfig(text);
}

function textOf(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

function invalid(reason: string): ErrnoError {
  log.warn("cannot apply config.json", { reason });
  return new ErrnoError("EINVAL");
}
