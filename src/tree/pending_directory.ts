import { type Attributes, type Entry, ErrnoError, type NodeId, type Request } from "../fuse/mod.ts";
import type { Job } from "../job/job.ts";
import { type JobId, replacedBy } from "../job/id.ts";
import { commandAttributes, pastAttributes } from "./attributes.ts";
import { CommandNode } from "./command_node.ts";
import { isLeftUnfinished } from "./makers.ts";
import type { Handle, Making } from "./node.ts";
import { commandNodeid } from "./node_ids.ts";
import { ATTRIBUTES_VALID_MS, StateDirectory } from "./state_directory.ts";

/** `pending/`, where jobs are submitted. */
export class PendingDirectory extends StateDirectory {
  override ofJob(number: number): CommandNode {
    return new CommandNode(this.parts, number);
  }

  protected override shown(job: Job): { nodeid: NodeId; attributes: Attributes } {
    const { jobs, now } = this.parts;
    const attributes = commandAttributes(job, jobs.file(job.file), now());
    return { nodeid: commandNodeid(job.file), attributes };
  }

  /** The name that its maker goes by stays known, whoever looks for it or lists it. */
  protected override entryValidMs({ file }: Job): number {
    return this.parts.makers.nameValidMs(file);
  }

  protected override pastEntry(uid: number, job: Job): Entry | undefined {
    const mtimeMs = this.parts.makers.soughtMtime(job.file, uid);
    if (mtimeMs === undefined) return undefined;
    return {
      nodeid: commandNodeid(job.file),
      attributes: pastAttributes(job, mtimeMs, this.parts.now()),
      attributesValidMs: ATTRIBUTES_VALID_MS,
      entryValidMs: 0,
    };
  }

  /** @throws {ErrnoError} EEXIST, EDQUOT, ENOSPC, ESTALE. */
  async create(request: Request, id: JobId, making: Making): Promise<{ entry: Entry; handle: Handle }> {
    const { jobs, makers } = this.parts;
    const isUnfinished = isLeftUnfinished(making) || await this.#isToReplace(id);
    const job = await this.#create(request, id, making);
    const handle = jobs.created(job, { isUnfinished, mayMap: making.mayMap });
    makers.made(job.file, job.uid);
    return { entry: this.entry(job), handle };
  }

  /** @throws {ErrnoError} As `create`. */
  async make(request: Request, id: JobId, making: Making): Promise<Entry> {
    const job = await this.#create(request, id, making);
    const handle = this.parts.jobs.created(job, { isUnfinished: false, mayMap: false });
    await handle.flush();
    await handle.release();
    return this.entry(job);
  }

  /** Whether it has the name of a file that will take the place of a job that waits. */
  async #isToReplace(id: JobId): Promise<boolean> {
    const replaced = replacedBy(id);
    return replaced !== undefined && (await this.parts.queue.byId(replaced))?.state === "pending";
  }

  async #create(request: Request, id: JobId, making: Making): Promise<Job> {
    const { queue, jobs, accounts } = this.parts;
    accounts.requireRoom(request.uid, "heldJobs", 1);
    const ownership = await this.ownershipOfNew(request, making);
    const created = await queue.create(id, ownership);
    if (created.ok) return created.value;
    const { refusal } = created;
    if (refusal.kind === "share") throw jobs.refuseShare(ownership, request.uid, id, refusal.reason);
    const other = await queue.byId(id);
    // The kernel believed that there was no such file, so it has not checked whether this caller may write it:
    // ESTALE makes it look again.
    const isHidden = !other || other.state === "pending" && !making.isExclusive;
    throw new ErrnoError(isHidden ? "ESTALE" : "EEXIST");
  }
}
