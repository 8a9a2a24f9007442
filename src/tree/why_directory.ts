import { type DirectorySink, type Entry, ErrnoError, type Request } from "../fuse/mod.ts";
import type { JobId } from "../job/id.ts";
import { FixedDirectory } from "./fixed_node.ts";
import { addDots } from "./listing.ts";
import type { Directory } from "./node.ts";
import { refusalNodeid } from "./node_ids.ts";
import { RefusalNode } from "./refusal_node.ts";

/**
 * `why/`: by a job's id, why it is as it is; so far, why its submission was refused. It lists nothing, and each
 * name in it is what it is for whoever asks: two users may have been refused the same id. So the kernel asks
 * each time.
 */
export class WhyDirectory extends FixedDirectory implements Directory {
  /** @throws {ErrnoError} ESTALE if it is forgotten: the kernel looks the name up again. */
  override ofJob(_number: number, ordinal: number): RefusalNode {
    const refusal = this.parts.refusals.byOrdinal(ordinal);
    if (!refusal) throw new ErrnoError("ESTALE");
    return new RefusalNode(this.parts, refusal);
  }

  /** @throws {ErrnoError} ENOENT, also for what others were refused: that they were is not told. */
  lookup({ uid }: Request, id: JobId): Entry {
    const refusal = this.parts.refusals.find(uid, id);
    if (!refusal) throw new ErrnoError("ENOENT");
    const node = new RefusalNode(this.parts, refusal);
    return { nodeid: refusalNodeid(refusal.ordinal), ...node.attributes(), entryValidMs: 0 };
  }

  list(cookie: number, sink: DirectorySink) {
    addDots(this.nodeid, cookie, sink);
  }

  /** @throws {ErrnoError} EPERM. */
  unlink(): never {
    throw new ErrnoError("EPERM");
  }

  /** @throws {ErrnoError} EPERM. */
  rename(): never {
    throw new ErrnoError("EPERM");
  }
}
