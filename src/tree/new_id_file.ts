import { ErrnoError, type Request, S_IFREG } from "../fuse/mod.ts";
import { FixedNode } from "./fixed_node.ts";
import type { Handle, Opening } from "./node.ts";

const ENCODER = new TextEncoder();

/** `new-id`: each open of it gives another id. */
export class NewIdFile extends FixedNode {
  protected override readonly defaultMode = S_IFREG | 0o444;
  /** How long the next id is likely to be, with its newline. */
  #likelyBytes = 5;

  protected override sizeBytes(): number {
    return this.#likelyBytes;
  }

  /** @throws {ErrnoError} EACCES. */
  async open(_: Request, { access }: Opening): Promise<Handle> {
    if (access === "write") throw new ErrnoError("EACCES");
    const text = ENCODER.encode(await this.parts.queue.newId() + "\n");
    this.#likelyBytes = text.length;
    // Read past the page cache: the text is that of the open, whatever the size of the file has become.
    return { cache: "direct", read: (offset, sizeBytes) => text.subarray(offset, offset + sizeBytes) };
  }
}
