import { getLogger } from "@logtape/logtape";
import { ErrnoError } from "../fuse/mod.ts";
import { isDraft } from "../job/id.ts";
import { type ConfigText, faultOf, requireWhole } from "./config_text.ts";
import type { Handle, Writing } from "./node.ts";
import type { RootFile } from "./root_file.ts";

const log = getLogger(["filed", "tree"]);

/** One open of a file that may take, or has taken, the place of config.json. */
export class RootFileHandle implements Handle {
  readonly #file: RootFile;
  readonly #config: ConfigText;

  /** @param release What is to be done at the last close. */
  constructor(
    file: RootFile,
    config: ConfigText,
    readonly cache: "direct" | undefined,
    readonly release: () => void,
  ) {
    this.#file = file;
    this.#config = config;
  }

  read(offset: number, sizeBytes: number): Uint8Array {
    return this.#file.bytes.subarray(offset, offset + sizeBytes);
  }

  /**
   * Applies the settings, if it is they and they are whole; else it keeps what can still become settings.
   * @throws {ErrnoError} EFBIG, EDQUOT, ENOSPC; EINVAL for what can't become settings, but in a draft. Then
   * nothing is written.
   */
  async write(offset: number, data: Uint8Array, { where }: Writing): Promise<number> {
    const file = this.#file;
    const { length } = data;
    const takeBack = file.write(where === "end" ? file.bytes.length : offset, data);
    try {
      if (file.isSettings) await this.#config.apply(file.bytes, "part");
      else requireSense(file);
    } catch (error) {
      takeBack();
      throw error;
    }
    file.mayEndTooEarly = file.isSettings;
    return length;
  }

  shorten(sizeBytes: number) {
    if (sizeBytes < this.#file.bytes.length) this.#file.resize(sizeBytes);
  }

  /** @throws {ErrnoError} EINVAL if what was written as settings ends too early. */
  flush() {
    if (this.#file.mayEndTooEarly) requireWhole(this.#file.bytes);
  }
}

/**
 * Who writes a job here has forgotten pending/, and would wait for it in vain. Editors have drafts of their
 * own kind.
 */
function requireSense({ name, bytes }: RootFile) {
  if (name === undefined || isDraft(name)) return;
  const reason = faultOf(bytes);
  if (reason === undefined) return;
  log.warn("content refused beside config.json; jobs are submitted in pending/", { file: name, reason });
  throw new ErrnoError("EINVAL");
}
