import { getLogger } from "@logtape/logtape";
import { type AttributeChanges, type AttributesReply, ErrnoError, type Request } from "../fuse/mod.ts";
import { isDraft } from "../job/id.ts";
import { asked } from "./attributes.ts";
import { faultOf, requireWhole } from "./config_text.ts";
import type { Handle, Node, Opening, Writing } from "./node.ts";
import type { Parts } from "./parts.ts";
import type { RootFile } from "./root_file.ts";

const log = getLogger(["filed", "tree"]);

/** A file that somebody made beside config.json. */
export class RootFileNode implements Node {
  readonly #parts: Parts;
  readonly #file: RootFile;

  constructor(parts: Parts, file: RootFile) {
    this.#parts = parts;
    this.#file = file;
  }

  attributes(): AttributesReply {
    return asked(this.#file.attributes);
  }

  /** @throws {ErrnoError} EFBIG, EDQUOT, ENOSPC. */
  change(_: Request, changes: AttributeChanges): AttributesReply {
    this.#file.change(changes, this.#parts.now());
    return this.attributes();
  }

  open(_: Request, { contents }: Opening): Handle {
    if (contents === "truncate") this.#file.change({ sizeBytes: 0, privileges: "keep" }, this.#parts.now());
    return new RootFileHandle(this.#parts, this.#file);
  }
}

/** One open of such a file, be it the settings by now or not. */
export class RootFileHandle implements Handle {
  readonly #parts: Parts;
  readonly #file: RootFile;

  constructor(parts: Parts, file: RootFile) {
    this.#parts = parts;
    this.#file = file;
    parts.rootFiles.opened(file);
  }

  read(offset: number, sizeBytes: number): Uint8Array {
    return this.#file.bytes.subarray(offset, offset + sizeBytes);
  }

  /**
   * @throws {ErrnoError} EFBIG, EDQUOT, ENOSPC; EINVAL for what can't become settings, but in a draft. Then
   * nothing is written.
   */
  async write(offset: number, data: Uint8Array, { where }: Writing): Promise<number> {
    const file = this.#file;
    const { length } = data;
    const takeBack = file.write(where === "end" ? file.bytes.length : offset, data, this.#parts.now());
    try {
      if (file.isSettings) await this.#parts.config.apply(file.bytes, "part");
      else requireSense(file);
    } catch (error) {
      takeBack();
      throw error;
    }
    file.mayEndTooEarly = file.isSettings;
    return length;
  }

  /** @throws {ErrnoError} EINVAL if what was written as settings ends too early. */
  flush() {
    if (this.#file.mayEndTooEarly) requireWhole(this.#file.bytes);
  }

  release() {
    this.#parts.rootFiles.closed(this.#file);
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
