import { getLogger } from "@logtape/logtape";
import { type Config, formatConfig, parseConfig } from "../job/config.ts";
import type { Queue } from "../queue/queue.ts";
import { ErrnoError } from "../fuse/mod.ts";
import { type Accounts, Charge } from "./accounts.ts";

const log = getLogger(["filed", "tree"]);

const MAX_BYTES = 65_536;
const NOT_TEXT = "not UTF-8";

/**
 * One open of config.json: what it reads is as it was at the open, what it writes is applied once it is
 * whole.
 */
export interface ConfigHandle {
  kind: "config";
  bytes: Uint8Array;
  charge: Charge;
  hasWritten: boolean;
}

/** The settings as a file. */
export class ConfigFile {
  readonly #queue: Queue;
  readonly #now: () => number;
  readonly #accounts: Accounts;
  changedAt: number;

  constructor(queue: Queue, now: () => number, accounts: Accounts) {
    this.#queue = queue;
    this.#now = now;
    this.#accounts = accounts;
    this.changedAt = now();
  }

  async bytes(): Promise<Uint8Array> {
    return new TextEncoder().encode(formatConfig(await this.#queue.config()));
  }

  /** @throws {ErrnoError} EDQUOT, ENOSPC if the user may have no more in memory. */
  async open(uid: number, contents: "keep" | "truncate"): Promise<ConfigHandle> {
    const bytes = contents === "truncate" ? new Uint8Array() : await this.bytes();
    return {
      kind: "config",
      bytes,
      charge: new Charge(this.#accounts, uid, bytes.length),
      hasWritten: false,
    };
  }

  release({ charge }: ConfigHandle) {
    charge.set(0);
  }

  /**
   * Applies the text if it is whole JSON, and keeps it for the next write if it can still become that.
   * @throws {ErrnoError} EINVAL if it is neither, EFBIG, EDQUOT, ENOSPC; then nothing is written.
   */
  async write(handle: ConfigHandle, offset: number, data: Uint8Array, where: "at" | "end"): Promise<number> {
    const { length } = data;
    const start = where === "end" ? handle.bytes.length : offset;
    if (start + length > MAX_BYTES) throw new ErrnoError("EFBIG");
    const bytes = new Uint8Array(Math.max(handle.bytes.length, start + length));
    bytes.set(handle.bytes);
    bytes.set(data, start);
    const parsed = parse(bytes, "part");
    handle.charge.resize(bytes.length);
    handle.bytes = bytes;
    handle.hasWritten = true;
    if (parsed.kind === "settings") await this.#apply(parsed.settings);
    return length;
  }

  /**
   * Applies what another file holds that takes the place of this one.
   * @param how `part`: more of it may come.
   * @throws {ErrnoError} EINVAL if it is no JSON object of settings, or can't become one; then nothing
   * changes.
   */
  async apply(bytes: Uint8Array, how: "part" | "whole"): Promise<void> {
    const parsed = parse(bytes, how);
    if (parsed.kind === "settings") await this.#apply(parsed.settings);
  }

  /** Why a file can't take the place of this one, whatever follows in it. */
  faultOf(bytes: Uint8Array): string | undefined {
    const text = textOf(bytes);
    const parsed = text === undefined ? { kind: "invalid", reason: NOT_TEXT } as const : parseConfig(text);
    return parsed.kind === "invalid" ? parsed.reason : undefined;
  }

  async #apply(settings: Partial<Config>): Promise<void> {
    await this.#queue.configure(settings);
    this.changedAt = this.#now();
    log.info("config.json applied", settings);
  }

  /** Truncating changes no setting, only where this handle's text begins and ends. */
  truncate(handle: ConfigHandle, size: number) {
    handle.bytes = handle.bytes.slice(0, size);
    handle.charge.set(handle.bytes.length);
  }

  /** @throws {ErrnoError} EINVAL if what was written ends too early. */
  flush({ bytes, hasWritten }: ConfigHandle) {
    if (hasWritten) this.requireWhole(bytes);
  }

  /** @throws {ErrnoError} EINVAL if what was written ends too early; nothing but blanks does not. */
  requireWhole(bytes: Uint8Array) {
    if (decode(bytes).trim() !== "") parse(bytes, "whole");
  }
}

/** @throws {ErrnoError} EINVAL if it is no JSON object of settings, or can't become one. */
function parse(bytes: Uint8Array, how: "part" | "whole") {
  const parsed = parseConfig(decode(bytes));
  if (parsed.kind === "invalid") throw invalid(parsed.reason);
  if (parsed.kind === "incomplete" && how === "whole") throw invalid("the JSON ends too early");
  return parsed;
}

function decode(bytes: Uint8Array): string {
  const text = textOf(bytes);
  if (text === undefined) throw invalid(NOT_TEXT);
  return text;
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
