import {
  type AttributeChanges,
  type AttributesReply,
  ErrnoError,
  type Request,
  S_IFREG,
} from "../fuse/mod.ts";
import { asked, BLOCK_BYTES } from "./attributes.ts";
import type { Handle, Node, Opening } from "./node.ts";
import { refusalNodeid } from "./node_ids.ts";
import type { Parts } from "./parts.ts";
import type { Refusal } from "./refusals.ts";

/** Who may read it is asked of whoever looks the name up or opens it: no mode can say who else may. */
const MODE = 0o444;
/** As a file of /proc, which is made as it is read. No size at all, and sendfile(2) would copy nothing. */
const SIZE_BYTES = 4_096;

/** `why/ID` of a submission that was refused. */
export class RefusalNode implements Node {
  readonly #parts: Parts;
  readonly #refusal: Refusal;

  constructor(parts: Parts, refusal: Refusal) {
    this.#parts = parts;
    this.#refusal = refusal;
  }

  attributes(): AttributesReply {
    const { ordinal, uid, at, isForgotten } = this.#refusal;
    return asked({
      ino: refusalNodeid(ordinal),
      sizeBytes: SIZE_BYTES,
      mode: S_IFREG | MODE,
      nlink: isForgotten ? 0 : 1,
      uid,
      gid: this.#parts.owner.gid,
      atimeMs: at,
      mtimeMs: at,
      ctimeMs: at,
      birthMs: at,
      blockSizeBytes: BLOCK_BYTES,
    });
  }

  /** @throws {ErrnoError} EACCES; ENOENT for whom it is not for. */
  open({ uid }: Request, { access }: Opening): Handle {
    const { refusals } = this.#parts;
    const refusal = this.#refusal;
    if (!refusals.mayRead(uid, refusal)) throw new ErrnoError("ENOENT");
    if (access === "write") throw new ErrnoError("EACCES");
    refusals.opened(refusal);
    return {
      cache: "direct",
      read: (offset, sizeBytes) => textOf(refusal, uid).subarray(offset, offset + sizeBytes),
      release: () => refusals.closed(refusal),
    };
  }

  /** @throws {ErrnoError} EPERM; EACCES for the size. */
  change(_: Request, { sizeBytes }: AttributeChanges): never {
    throw new ErrnoError(sizeBytes === undefined ? "EPERM" : "EACCES");
  }
}

const ENCODER = new TextEncoder();

/** What that user reads: whose it is, where it is another's; and what can be done. */
function textOf({ uid, reason }: Refusal, reader: number): Uint8Array {
  const whose = reader === uid ? "" : ` (user ${uid})`;
  return ENCODER.encode(
    `refused${whose}: ${reason}\n` +
      "Nothing of it runs, and what was there before is as it was. Mend it, and submit it again.\n",
  );
}
