import { CMemory } from "./c_memory.ts";
import { ErrnoError } from "./errno.ts";
import { LIBC } from "./libc.ts";
import { loadCode } from "./machine_code.ts";
import type { SystemCall } from "./system_call.ts";

const { symbols: libc } = Deno.dlopen(LIBC, {
  pthread_sigmask: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
});

/** A call of a child's, which makes no other after it unless this one ends as it is to. */
export interface Step {
  call: SystemCall;
  is: "to succeed" | "to fail";
}

/** What the code below reads for each call, in words of 8 bytes, and where it leaves what was returned wrongly. */
const CALL = { number: 0, args: 1, isToFail: 6, wrong: 7, sizeof: 8 } as const;
/** The sign of what a call returns, which is -errno if it fails. */
const SIGN = -(1n << 63n);

/**
 * int start(struct clone_args *args, size_t size, struct call *calls), for x86-64.
 *
 * The child never touches a stack, and so needs none of its own, while the parent goes on with theirs. All that it changes is its own
 * registers, and the last word of a call that did not end as it was to.
 */
// deno-fmt-ignore
const CODE = Uint8Array.of(
  0xb8, 0xb3, 0x01, 0x00, 0x00, //         mov  eax, 435        clone3
  0x0f, 0x05, //                           syscall
  0x85, 0xc0, //                           test eax, eax
  0x74, 0x01, //                           jz   child
  0xc3, //                                 ret                  the child's number, or -errno
  0x48, 0x89, 0xd3, //              child: mov  rbx, rdx        calls
  0x48, 0x8b, 0x03, //               next: mov  rax, [rbx]      CALL.number
  0x48, 0x8b, 0x7b, 0x08, //               mov  rdi, [rbx+8]    CALL.args
  0x48, 0x8b, 0x73, 0x10, //               mov  rsi, [rbx+16]
  0x48, 0x8b, 0x53, 0x18, //               mov  rdx, [rbx+24]
  0x4c, 0x8b, 0x53, 0x20, //               mov  r10, [rbx+32]
  0x4c, 0x8b, 0x43, 0x28, //               mov  r8, [rbx+40]
  0x0f, 0x05, //                           syscall
  0x48, 0x33, 0x43, 0x30, //               xor  rax, [rbx+48]   CALL.isToFail
  0x78, 0x06, //                           js   wrong
  0x48, 0x83, 0xc3, 0x40, //               add  rbx, 64         CALL.sizeof
  0xeb, 0xdb, //                           jmp  next
  0x48, 0x89, 0x43, 0x38, //        wrong: mov  [rbx+56], rax   CALL.wrong
  0xb8, 0xe7, 0x00, 0x00, 0x00, //         mov  eax, 231        exit_group
  0xbf, 0x7f, 0x00, 0x00, 0x00, //         mov  edi, 127
  0x0f, 0x05, //                           syscall
);

/** Whether this machine is one for the code. */
export const CAN_EXECUTE = Deno.build.arch === "x86_64";

const SIG_SETMASK = 2; // asm/signal.h
const SIGSET_BYTES = 128;
const ALL_SIGNALS = new Uint8Array(SIGSET_BYTES).fill(0xff);

/** What a child does, one call after another; the last executes a program. */
export class Calls implements Disposable {
  readonly #steps: readonly Step[];
  readonly #memory: CMemory;
  readonly #words: BigInt64Array<ArrayBuffer>;

  /** @throws {ErrnoError} ENOMEM. */
  constructor(steps: readonly Step[]) {
    this.#steps = steps;
    this.#memory = new CMemory(steps.length * CALL.sizeof * BigInt64Array.BYTES_PER_ELEMENT);
    this.#words = new BigInt64Array(this.#memory.buffer);
    for (const [i, { call, is }] of steps.entries()) {
      const at = i * CALL.sizeof;
      this.#words[at + CALL.number] = call.number;
      call.args.forEach((arg, j) => this.#words[at + CALL.args + j] = arg);
      this.#words[at + CALL.isToFail] = is === "to fail" ? SIGN : 0n;
    }
  }

  /** Where they are, as native code takes them. */
  get address(): bigint {
    return this.#memory.address;
  }

  /** What went wrong, if that has ended the child. */
  get error(): ErrnoError | undefined {
    for (const [i, { call, is }] of this.#steps.entries()) {
      const wrong = Atomics.load(this.#words, i * CALL.sizeof + CALL.wrong);
      if (wrong === 0n) continue;
      return is === "to fail"
        ? new ErrnoError("EPERM", `${call.name} of a child did not fail`)
        : new ErrnoError(Number(-wrong), `${call.name} of a child`);
    }
    return undefined;
  }

  [Symbol.dispose](): void {
    this.#memory[Symbol.dispose]();
  }
}

/** Starts children that share all memory with this process until they execute a program. */
export class ChildCode {
  readonly #start = new Deno.UnsafeFnPointer(
    loadCode(CODE),
    { parameters: ["buffer", "usize", "u64"], result: "i32" } as const,
  );

  /**
   * @param args struct clone_args, with CLONE_VM; with CLONE_CLEAR_SIGHAND too, for no handler may run in the child.
   * @param calls What the child does, with all signals blocked. It reads them, and what they point to, until it has executed its program.
   * @returns Its number; or -errno of clone3(2), if there is no child.
   */
  start(args: Uint8Array<ArrayBuffer>, calls: Calls): number {
    const mask = new Uint8Array(SIGSET_BYTES);
    libc.pthread_sigmask(SIG_SETMASK, ALL_SIGNALS, mask);
    const pid = this.#start.call(args, BigInt(args.length), calls.address);
    libc.pthread_sigmask(SIG_SETMASK, mask, null);
    return pid;
  }
}
