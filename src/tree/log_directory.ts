import type { Job } from "../job/job.ts";
import { type Attributes, ErrnoError, type NodeId } from "../fuse/mod.ts";
import { logAttributes } from "./attributes.ts";
import { LogNode } from "./log_node.ts";
import { logNodeid } from "./node_ids.ts";
import { StateDirectory } from "./state_directory.ts";

/** `active/`, `complete/` and `failed/`, where jobs show their logs. */
export class LogDirectory extends StateDirectory {
  override ofJob(number: number, ordinal: number): LogNode {
    return new LogNode(this.parts, number, ordinal);
  }

  protected override shown(job: Job): { nodeid: NodeId; attributes: Attributes } {
    if (job.state === "pending") throw new ErrnoError("ENOENT");
    const { number, log: { ordinal } } = job;
    const ino = this.parts.logs.inode(number, ordinal);
    return { nodeid: logNodeid(number, ordinal), attributes: logAttributes(job, ino, 1) };
  }
}
