import type { Attributes, NodeId } from "../fuse/mod.ts";
import type { Job } from "../queue/queue.ts";
import { logAttributes } from "./attributes.ts";
import { LogNode } from "./log_node.ts";
import { logNodeid } from "./node_ids.ts";
import { StateDirectory } from "./state_directory.ts";

/** `active/`, `complete/` and `failed/`, where jobs show their logs. */
export class LogDirectory extends StateDirectory {
  override ofJob(number: number, ordinal: number): LogNode {
    return new LogNode(this.parts, number, number + ordinal);
  }

  protected override shown(job: Job): { nodeid: NodeId; attributes: Attributes } {
    return { nodeid: logNodeid(job), attributes: logAttributes(job, 1) };
  }
}
