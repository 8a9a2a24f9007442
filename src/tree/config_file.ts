import { ErrnoError, type Request } from "../fuse/mod.ts";
import { Charge } from "./accounts.ts";
import { type ConfigText, MAX_CONFIG_BYTES, parse, requireWhole } from "./config_text.ts";
import { FixedNode } from "./fixed_node.ts";
import type { Handle, Opening, Writing } from "./node.ts";

/** `config.json`: the settings as a file. */
export class ConfigFile extends FixedNode {
  protected override readonly defaultMode = 0o644;
  protected override readonly validMs = 0;
  /** A rename leaves the kernel with the new name for what had the old one: it is to ask. */
  override readonly nameValidMs = 0;

  protected override async sizeBytes(): Promise<number> {
    return (await this.parts.config.bytes()).length;
  }

  protected override changedAt(): number {
    return this.parts.config.changedAt;
  }

  /** @throws {ErrnoError} EDQUOT, ENOSPC if the user may have no more in memory. */
  async open({ uid }: Request, { contents }: Opening): Promise<Handle> {
    const { accounts, config } = this.parts;
    const bytes = contents === "truncate" ? new Uint8Array() : await config.bytes();
    return new ConfigHandle(config, bytes, new Charge(accounts, uid, bytes.length));
  }

  /** Truncating changes no setting, only where a handle's text begins and ends. */
  protected override truncate(sizeBytes: number, through: Handle | undefined) {
    if (through instanceof ConfigHandle) through.truncate(sizeBytes);
  }
}

/**
 * One open of config.json: what it reads is as it was at the open, what it writes is applied once it is
 * whole.
 */
class ConfigHandle implements Handle {
  readonly cache = "direct"; // As for new-id.
  readonly #config: ConfigText;
  #bytes: Uint8Array;
  readonly #charge: Charge;
  #hasWritten = false;

  constructor(config: ConfigText, bytes: Uint8Array, charge: Charge) {
    this.#config = config;
    this.#bytes = bytes;
    this.#charge = charge;
  }

  read(offset: number, sizeBytes: number): Uint8Array {
    return this.#bytes.subarray(offset, offset + sizeBytes);
  }

  /**
   * Applies the text if it is whole JSON, and keeps it for the next write if it can still become that.
   * @throws {ErrnoError} EINVAL if it is neither, EFBIG, EDQUOT, ENOSPC; then nothing is written.
   */
  async write(offset: number, data: Uint8Array, { where }: Writing): Promise<number> {
    const { length } = data;
    const start = where === "end" ? this.#bytes.length : offset;
    if (start + length > MAX_CONFIG_BYTES) throw new ErrnoError("EFBIG");
    const bytes = new Uint8Array(Math.max(this.#bytes.length, start + length));
    bytes.set(this.#bytes);
    bytes.set(data, start);
    const parsed = parse(bytes, "part");
    this.#charge.resize(bytes.length);
    this.#bytes = bytes;
    this.#hasWritten = true;
    await this.#config.applyParsed(parsed);
    return length;
  }

  truncate(sizeBytes: number) {
    this.#bytes = this.#bytes.slice(0, sizeBytes);
    this.#charge.set(this.#bytes.length);
  }

  /** @throws {ErrnoError} EINVAL if what was written ends too early. */
  flush() {
    if (this.#hasWritten) requireWhole(this.#bytes);
  }

  release() {
    this.#charge.set(0);
  }
}
