import { addressOfFunction, Context, Memory, type NativeCall } from "./context.ts";
import { ErrnoError } from "./errno.ts";
import { LIBC } from "./libc.ts";
import { type SystemCall, systemCall } from "./system_call.ts";

const { symbols: libc } = Deno.dlopen(LIBC, {
  pthread_attr_init: { parameters: ["pointer"], result: "i32" },
  pthread_attr_setstack: { parameters: ["pointer", "pointer", "usize"], result: "i32" },
  pthread_create: { parameters: ["buffer", "pointer", "pointer", "pointer"], result: "i32" },
  pthread_join: { parameters: ["u64", "pointer"], result: "i32" },
  pthread_self: { parameters: [], result: "u64" },
  __errno_location: { parameters: [], result: "pointer" },
});

const PTHREAD_ATTR_BYTES = 64; // pthread_attr_t: 56 and 64 bytes
/** What pthread_create(3) wants at least is 128 KiB on arm64; the thread's local storage is in it too. */
const THREAD_STACK_BYTES = 262_144;

/** Ends a thread; a chain of contexts that ends by itself would end the process. */
const EXIT_THREAD = calling(systemCall("exit", 0n));

/** A system call, made by libc's function for them. */
export function calling({ number, args }: SystemCall): NativeCall {
  return { function: "syscall", args: [number, ...args] };
}

/**
 * Makes a few calls of libc one after another on a native thread of their own, which ends with them: what a call changes for
 * its thread only, and for the processes started there, then concerns no other thread. No JavaScript can run on such a thread; so
 * it is started as a chain of contexts, makecontext(3), each of which makes one call and goes on to the next.
 */
export class NativeThread {
  readonly #attributes = new Memory(PTHREAD_ATTR_BYTES);
  readonly #stack = new Memory(THREAD_STACK_BYTES);
  readonly #contexts: Context[] = [];

  /** Its memory is made once, and used for one thread at a time. */
  constructor() {
    libc.pthread_attr_init(this.#attributes.pointer);
    libc.pthread_attr_setstack(this.#attributes.pointer, this.#stack.pointer, BigInt(THREAD_STACK_BYTES));
  }

  /**
   * Makes the calls, and waits for the last.
   * @returns The thread's errno in the end: that of the last call that failed, 0 if none did. A function that returns its
   *   error, as posix_spawn(3), leaves there the errno of the system call that failed within.
   * @throws {ErrnoError} EAGAIN if there can be no other thread; then nothing was called.
   */
  run(calls: readonly NativeCall[]): number {
    const chain = [...calls, EXIT_THREAD];
    while (this.#contexts.length < chain.length) this.#contexts.push(new Context());
    chain.forEach((call, i) => this.#contexts[i]?.prepare(call, chain[i + 1] && this.#contexts[i + 1]));
    const thread = new BigUint64Array(1);
    const errno = libc.pthread_create(
      new Uint8Array(thread.buffer),
      this.#attributes.pointer,
      addressOfFunction("setcontext"),
      this.#contexts[0]?.pointer ?? null,
    );
    if (errno !== 0) throw new ErrnoError(errno, "pthread_create");
    const id = thread[0] ?? 0n;
    const errnoOffset = this.#offsetOfErrno(id);
    libc.pthread_join(id, null);
    return this.#stack.view.getInt32(errnoOffset, true);
  }

  /** Thread-local storage lies in the thread's stack, and each variable at one distance from what names the thread. */
  #offsetOfErrno(thread: bigint): number {
    const ours = Deno.UnsafePointer.value(libc.__errno_location());
    return Number(BigInt(ours) - libc.pthread_self() + thread - this.#stack.address);
  }
}
