import { ErrnoError } from "../sys/errno.ts";
import type { NodeId } from "./attributes.ts";

/** Who asks for what. The session makes it, and it lives until its answer. */
export class Request {
  #controller: AbortController | undefined;
  #aborted = false;

  constructor(
    readonly opcode: number,
    readonly unique: bigint,
    readonly nodeid: NodeId,
    /** The caller's file system uid and gid. RELEASE and writeback carry 0: never authorise on those. */
    readonly uid: number,
    readonly gid: number,
    /** The caller's thread id, 0 if it is not visible from the mount's pid namespace. */
    readonly pid: number,
  ) {}

  /**
   * Aborts with the reason EINTR when the caller gets a signal, and when the session ends. The request is
   * answered with whatever the handler then answers, so a handler that waits should do it with `signal` and
   * let the reason pass.
   */
  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#aborted) this.#controller.abort(new ErrnoError("EINTR"));
    return this.#controller.signal;
  }

  /** Tells the handler, for the session, that the caller no longer wants to wait. */
  abort(): void {
    this.#aborted = true;
    this.#controller?.abort(new ErrnoError("EINTR"));
  }
}
