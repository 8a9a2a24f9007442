import { ErrnoError } from "./errno.ts";
import { LIBC } from "./libc.ts";

const { symbols: libc } = Deno.dlopen(LIBC, {
  getcontext: { parameters: ["pointer"], result: "i32" },
  // Variadic from the fourth on; integers are passed alike either way, on x86-64 and arm64.
  makecontext: {
    parameters: ["pointer", "pointer", "i32", "u64", "u64", "u64", "u64", "u64", "u64"],
    result: "void",
  },
  pthread_attr_init: { parameters: ["pointer"], result: "i32" },
  pthread_attr_setstack: { parameters: ["pointer", "pointer", "usize"], result: "i32" },
  pthread_create: { parameters: ["buffer", "pointer", "pointer", "pointer"], result: "i32" },
  pthread_join: { parameters: ["u64", "pointer"], result: "i32" },
  pthread_self: { parameters: [], result: "u64" },
  __errno_location: { parameters: [], result: "pointer" },
  dlsym: { parameters: ["pointer", "buffer"], result: "pointer" },
});

const IS_ARM = Deno.build.arch === "aarch64";

// ucontext_t, sys/ucontext.h: x86-64 and arm64 differ in size only.
const UCONTEXT = { link: 8, stackPointer: 16, stackSize: 32, sizeof: IS_ARM ? 4_560 : 968 } as const;
const PTHREAD_ATTR_BYTES = 64; // pthread_attr_t: 56 and 64 bytes
/** For a system call, or a function of libc that calls no others of ours. */
const CALL_STACK_BYTES = 65_536;
/** What pthread_create(3) wants at least is 128 KiB on arm64; the thread's local storage is in it too. */
const THREAD_STACK_BYTES = 262_144;
const STACK_ALIGNMENT = 16;

/** Numbers in asm/unistd_64.h and asm-generic/unistd.h. */
const SYSCALL_NUMBER = { exit: IS_ARM ? 93n : 60n } as const;

/** What makecontext(3) passes on. */
type Arguments = [bigint, bigint, bigint, bigint, bigint, bigint];

/** A function of libc, and up to six arguments, integers or addresses. What it returns is lost. */
export interface NativeCall {
  function: "syscall" | "posix_spawn";
  args: readonly bigint[];
}

/**
 * Makes a few calls of libc one after another on a native thread of their own, which ends with them: what a call changes for
 * its thread only, and for the processes started there, then concerns no other thread. No JavaScript can run on such a thread; so
 * it is started as a chain of contexts, makecontext(3), each of which makes one call and goes on to the next.
 */
export class NativeThread {
  readonly #contexts: Context[];
  readonly #attributes = new Memory(PTHREAD_ATTR_BYTES);
  readonly #stack = new Memory(THREAD_STACK_BYTES);

  /** @param callCount How many calls each run makes, at most. Its memory is made once, and used for all runs. */
  constructor(callCount: number) {
    this.#contexts = Array.from({ length: callCount + 1 }, () => new Context());
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
    // exit(2) ends the thread; a chain that ends by itself would end the process.
    const chain = [...calls, { function: "syscall" as const, args: [SYSCALL_NUMBER.exit, 0n] }];
    const contexts = this.#contexts.slice(0, chain.length);
    chain.forEach((call, i) => contexts[i]?.prepare(call, contexts[i + 1]));
    const thread = new BigUint64Array(1);
    const first = contexts[0]?.pointer ?? null;
    const errno = libc.pthread_create(
      asBytes(thread),
      this.#attributes.pointer,
      address("setcontext"),
      first,
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

/** One call, and where to go on after it. */
class Context {
  readonly #memory = new Memory(UCONTEXT.sizeof);
  readonly #stack = new Memory(CALL_STACK_BYTES);

  get pointer(): Deno.PointerValue {
    return this.#memory.pointer;
  }

  prepare(call: NativeCall, next: Context | undefined): void {
    const { pointer, view } = this.#memory;
    libc.getcontext(pointer);
    view.setBigUint64(UCONTEXT.link, next ? next.#memory.address : 0n, true);
    view.setBigUint64(UCONTEXT.stackPointer, this.#stack.address, true);
    view.setBigUint64(UCONTEXT.stackSize, BigInt(CALL_STACK_BYTES), true);
    const args = Array.from({ length: 6 }, (_, i) => call.args[i] ?? 0n) as Arguments;
    libc.makecontext(pointer, address(call.function), args.length, ...args);
  }
}

/** Memory at an address that stays. */
class Memory {
  readonly view: DataView<ArrayBuffer>;
  readonly pointer: Deno.PointerValue;
  readonly address: bigint;

  constructor(sizeBytes: number) {
    const buffer = new ArrayBuffer(sizeBytes + STACK_ALIGNMENT);
    const start = BigInt(Deno.UnsafePointer.value(Deno.UnsafePointer.of(buffer)));
    const padding = (STACK_ALIGNMENT - Number(start % BigInt(STACK_ALIGNMENT))) % STACK_ALIGNMENT;
    this.view = new DataView(buffer, padding, sizeBytes);
    this.address = start + BigInt(padding);
    this.pointer = Deno.UnsafePointer.create(this.address);
  }
}

const addresses = new Map<string, Deno.PointerValue>();

/** Where a function of libc is. */
function address(name: NativeCall["function"] | "setcontext"): Deno.PointerValue {
  const known = addresses.get(name);
  if (known !== undefined) return known;
  const found = libc.dlsym(null, new TextEncoder().encode(`${name}\0`)); // NULL is RTLD_DEFAULT
  if (found === null) throw new ErrnoError("ENOSYS", `dlsym ${name}`);
  addresses.set(name, found);
  return found;
}

function asBytes(numbers: BigUint64Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  return new Uint8Array(numbers.buffer);
}
