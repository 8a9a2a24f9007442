import { ERRNO, ErrnoError, type ErrnoName } from "../sys/errno.ts";
import { HOST_ENDIAN, IN_HEADER, MAX_TRANSFER_BYTES, OPCODE, OUT_HEADER } from "./abi.ts";
import type { NodeId } from "./attributes.ts";
import { decodeBatchForgetIn, decodeForgetIn, decodeInterruptIn } from "./decode.ts";
import type { FileSystem } from "./filesystem.ts";
import { decodeInitIn, encodeInitOut, negotiate } from "./init.ts";
import { type Operation, OPERATIONS, REFUSED } from "./operations.ts";
import { Request } from "./request.ts";
import { readU32, readU64, writeU32, writeU64 } from "./wire.ts";

/** Names of opcodes, for people. */
const OPCODE_NAME = new Map<number, string>(Object.entries(OPCODE).map(([name, number]) => [number, name]));

/** The kernel refuses a reply with a larger one, and its client would wait for ever. */
const MAX_ERRNO = 511;

/** The request that an error belongs to. */
export interface Where {
  /** Its name in the header, or `opcode 4711` if it has none there. */
  readonly opcode: string;
  readonly unique: bigint;
  readonly nodeid: NodeId;
}

/**
 * Hears of bugs: a handler threw something else than an `ErrnoError`, or the kernel refused a reply. Must not
 * throw.
 * @returns The errno for the client; `undefined` means EIO.
 */
export type OnError = (error: unknown, where: Where) => ErrnoName | undefined | void;

/** Hears of each reply, with 0 or its errno. Must not throw. */
export type OnReply = (where: Where, errno: number) => void;

export interface DispatcherOptions {
  readonly onError: OnError;
  readonly onReply?: OnReply;
  readonly pageSizeBytes: number;
}

/**
 * Turns requests into calls of a file system, and what those return into replies. Nothing that a request
 * contains makes it throw, and every request that has a reply gets exactly one.
 */
export class Dispatcher {
  readonly #fs: FileSystem;
  readonly #write: (reply: Uint8Array<ArrayBuffer>, sizeBytes: number) => void;
  readonly #options: DispatcherOptions;
  /** Requests whose handler has returned a promise, by `unique`. */
  readonly #pending = new Map<bigint, Request>();
  /** One buffer serves all replies: we write each before we encode the next. */
  readonly #reply = new Uint8Array(OUT_HEADER.sizeof + MAX_TRANSFER_BYTES);
  readonly #header = new DataView(this.#reply.buffer, 0, OUT_HEADER.sizeof);
  readonly #body = new DataView(this.#reply.buffer, OUT_HEADER.sizeof);
  #exchanges = 0;
  #ended = false;

  /**
   * @param write Hands the first `sizeBytes` of `reply` to the kernel at once; throws an `ErrnoError` ENOENT
   * if nobody waits for this answer any more.
   */
  constructor(
    fs: FileSystem,
    write: (reply: Uint8Array<ArrayBuffer>, sizeBytes: number) => void,
    options: DispatcherOptions,
  ) {
    this.#fs = fs;
    this.#write = write;
    this.#options = options;
  }

  /** How many requests wait for their handler's promise. */
  get pending(): number {
    return this.#pending.size;
  }

  /** Requests and replies so far, without those that nobody waits for. */
  get exchanges(): number {
    return this.#exchanges;
  }

  /** Handles one request. `message` is what read(2) returned; the caller may reuse it afterwards. */
  dispatch(message: DataView): void {
    if (message.byteLength < IN_HEADER.sizeof) return; // without `unique` there is nothing to answer to
    const request = new Request(
      readU32(message, IN_HEADER.opcode),
      readU64(message, IN_HEADER.unique),
      readU64(message, IN_HEADER.nodeid) as NodeId,
      readU32(message, IN_HEADER.uid),
      readU32(message, IN_HEADER.gid),
      readU32(message, IN_HEADER.pid),
    );
    const body = new DataView(
      message.buffer,
      message.byteOffset + IN_HEADER.sizeof,
      message.byteLength - IN_HEADER.sizeof,
    );
    const whole = readU32(message, IN_HEADER.len) === message.byteLength;
    if (!UNAWAITED.has(request.opcode)) this.#exchanges++;
    try {
      switch (request.opcode) {
        case OPCODE.FORGET:
          return whole ? this.#fs.forget?.(request.nodeid, decodeForgetIn(body)) : undefined;
        case OPCODE.BATCH_FORGET:
          return whole ? this.#forgetAll(body) : undefined;
        case OPCODE.INTERRUPT:
          return whole ? this.#pending.get(decodeInterruptIn(body))?.abort() : undefined;
      }
    } catch (error) {
      return void this.#complain(error, request); // these three have no reply
    }
    if (!whole) {
      return this.#fail(request, new ErrnoError("EINVAL", "Request of another length than its header says"));
    }
    if (request.opcode === OPCODE.INIT) return this.#init(request, body);
    const operation = OPERATIONS[request.opcode];
    if (operation === undefined) {
      return this.#fail(request, new ErrnoError(REFUSED[request.opcode] ?? "ENOSYS"));
    }
    this.#run(operation, request, body);
  }

  /** Ends the session: no reply goes out any more, and handlers that wait hear of it by their signal. */
  end(): void {
    this.#ended = true;
    this.interruptAll();
  }

  /** Aborts the signals of all requests that wait. */
  interruptAll(): void {
    for (const request of this.#pending.values()) request.abort();
  }

  #forgetAll(body: DataView): void {
    for (const { nodeid, count } of decodeBatchForgetIn(body)) this.#fs.forget?.(nodeid, count);
  }

  #init(request: Request, body: DataView): void {
    try {
      const terms = negotiate(decodeInitIn(body), {
        ...this.#options,
        listing: this.#fs.readdirplus ? "with-attributes" : "plain",
      });
      if (terms === "too-old") {
        this.#complain(new Error("The kernel's FUSE protocol is older than 7.31"), request);
        return this.#fail(request, new ErrnoError("EPROTO"));
      }
      this.#send(request, 0, encodeInitOut(this.#body, terms));
    } catch (error) {
      this.#fail(request, error);
    }
  }

  #run(operation: Operation, request: Request, body: DataView): void {
    try {
      const input = operation.decode(body);
      if (this.#fs[operation.handler] === undefined) {
        if (typeof operation.absent === "string") throw new ErrnoError(operation.absent);
        return this.#answer(operation, request, input, operation.absent.answer);
      }
      const output = operation.call(this.#fs as Required<FileSystem>, request, input);
      if (output instanceof Promise) return this.#await(operation, request, input, output);
      this.#answer(operation, request, input, output);
    } catch (error) {
      this.#fail(request, error);
    }
  }

  #await(operation: Operation, request: Request, input: unknown, output: Promise<unknown>): void {
    this.#pending.set(request.unique, request);
    output.then((value) => {
      this.#pending.delete(request.unique);
      this.#answer(operation, request, input, value);
    }, (error) => {
      this.#pending.delete(request.unique);
      this.#fail(request, error);
    });
  }

  #answer(operation: Operation, request: Request, input: unknown, output: unknown): void {
    let sizeBytes: number;
    try {
      sizeBytes = operation.encode(this.#body, output, input);
    } catch (error) {
      this.#undo(operation, request, output);
      return this.#fail(request, error);
    }
    if (!this.#send(request, 0, sizeBytes)) this.#undo(operation, request, output);
  }

  #fail(request: Request, error: unknown): void {
    const isAnswer = error instanceof ErrnoError && error.errno >= 1 && error.errno <= MAX_ERRNO;
    this.#send(request, isAnswer ? error.errno : ERRNO[this.#complain(error, request) ?? "EIO"], 0);
  }

  /** @returns Whether somebody got the answer. */
  #send(request: Request, errno: number, bodyBytes: number): boolean {
    if (this.#ended) return false;
    if (!UNAWAITED.has(request.opcode)) this.#exchanges++;
    this.#options.onReply?.(whereOf(request), errno);
    const sizeBytes = OUT_HEADER.sizeof + bodyBytes;
    writeU32(this.#header, OUT_HEADER.len, sizeBytes);
    this.#header.setInt32(OUT_HEADER.error, -errno, HOST_ENDIAN);
    writeU64(this.#header, OUT_HEADER.unique, request.unique);
    try {
      this.#write(this.#reply, sizeBytes);
      return true;
    } catch (error) {
      // ENOENT: the kernel aborted the request meanwhile, so nobody waits for the answer.
      if (!(error instanceof ErrnoError && error.is("ENOENT"))) this.#complain(error, request);
      return false;
    }
  }

  #undo(operation: Operation, request: Request, output: unknown): void {
    if (this.#ended) return;
    try {
      const undone = operation.undo?.(this.#fs, request, output);
      if (undone instanceof Promise) undone.catch((error) => this.#complain(error, request));
    } catch (error) {
      this.#complain(error, request);
    }
  }

  #complain(error: unknown, request: Request): ErrnoName | undefined | void {
    return this.#options.onError(error, whereOf(request));
  }
}

/** Those for whose reply the kernel's caller does not wait. */
const UNAWAITED: ReadonlySet<number> = new Set([
  OPCODE.FORGET,
  OPCODE.BATCH_FORGET,
  OPCODE.INTERRUPT,
  OPCODE.RELEASE,
  OPCODE.RELEASEDIR,
]);

function whereOf({ opcode, unique, nodeid }: Request): Where {
  return { opcode: OPCODE_NAME.get(opcode) ?? `opcode ${opcode}`, unique, nodeid };
}
