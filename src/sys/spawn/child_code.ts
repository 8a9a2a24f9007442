import { CMemory, mapPages } from "../c_memory.ts";
import { ErrnoError } from "../errno.ts";
import { check, LIBC } from "../libc.ts";
import type { SystemCall } from "../system_call.ts";

const { symbols: libc } = Deno.dlopen(LIBC, {
  // For one thread, as pthread_sigmask(3), which older C libraries have elsewhere.
  sigprocmask: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  mprotect: { parameters: ["pointer", "usize", "i32"], result: "i32" },
});

/** A call that a child makes. It goes on to the next unless this one ends as it must not. */
export interface Step {
  call: SystemCall;
  is: "to succeed" | "to fail" | "either way";
}

export function toSucceed(...calls: SystemCall[]): Step[] {
  return calls.map((call) => ({ call, is: "to succeed" }));
}

/** A call as the code below reads it, in words of 8 bytes. `wrong`: where it leaves a wrong result. */
const CALL = { number: 0, args: 1, mask: 6, flip: 7, wrong: 8, sizeof: 9 } as const;
/** The sign of what a call returns, which is -errno if it fails. */
const SIGN = -(1n << 63n);
/** Which bits of a call's result count, and which of those are turned around: then a set sign is wrong. */
const JUDGED = {
  "to succeed": { mask: -1n, flip: 0n },
  "to fail": { mask: -1n, flip: SIGN },
  "either way": { mask: ~SIGN, flip: 0n },
} as const satisfies Record<Step["is"], { mask: bigint; flip: bigint }>;

/**
 * int start(struct call *clone, struct call *calls)
 *
 * The child never touches a stack, and so needs none of its own while the parent goes on with theirs. It
 * changes its own registers, and the last word of a call that did not end as it had to; nothing else.
 */
// deno-fmt-ignore
const CODE = {
  x86_64: Uint8Array.of(
    0x49, 0x89, 0xf1, //             start: mov  r9, rsi
    0x48, 0x8b, 0x07, //                    mov  rax, [rdi]      CALL.number
    0x48, 0x8b, 0x77, 0x10, //              mov  rsi, [rdi+16]   CALL.args
    0x48, 0x8b, 0x57, 0x18, //              mov  rdx, [rdi+24]
    0x4c, 0x8b, 0x57, 0x20, //              mov  r10, [rdi+32]
    0x4c, 0x8b, 0x47, 0x28, //              mov  r8, [rdi+40]
    0x48, 0x8b, 0x7f, 0x08, //              mov  rdi, [rdi+8]
    0x0f, 0x05, //                          syscall
    0x85, 0xc0, //                          test eax, eax
    0x74, 0x01, //                          jz   child
    0xc3, //                                ret                  the child's number, or -errno
    0x4c, 0x89, 0xcb, //             child: mov  rbx, r9
    0x48, 0x8b, 0x03, //              next: mov  rax, [rbx]
    0x48, 0x8b, 0x7b, 0x08, //              mov  rdi, [rbx+8]
    0x48, 0x8b, 0x73, 0x10, //              mov  rsi, [rbx+16]
    0x48, 0x8b, 0x53, 0x18, //              mov  rdx, [rbx+24]
    0x4c, 0x8b, 0x53, 0x20, //              mov  r10, [rbx+32]
    0x4c, 0x8b, 0x43, 0x28, //              mov  r8, [rbx+40]
    0x0f, 0x05, //                          syscall
    0x48, 0x23, 0x43, 0x30, //              and  rax, [rbx+48]   CALL.mask
    0x48, 0x33, 0x43, 0x38, //              xor  rax, [rbx+56]   CALL.flip
    0x78, 0x06, //                          js   wrong
    0x48, 0x83, 0xc3, 0x48, //              add  rbx, 72         CALL.sizeof
    0xeb, 0xd7, //                          jmp  next
    0x48, 0x89, 0x43, 0x40, //       wrong: mov  [rbx+64], rax   CALL.wrong
    0xb8, 0xe7, 0x00, 0x00, 0x00, //        mov  eax, 231        exit_group
    0xbf, 0x7f, 0x00, 0x00, 0x00, //        mov  edi, 127
    0x0f, 0x05, //                          syscall
  ),
  aarch64: words(
    0xaa0003e9, //   start: mov  x9, x0
    0xaa0103ea, //          mov  x10, x1
    0xf9400128, //          ldr  x8, [x9]           CALL.number
    0xa9408520, //          ldp  x0, x1, [x9, #8]   CALL.args
    0xa9418d22, //          ldp  x2, x3, [x9, #24]
    0xf9401524, //          ldr  x4, [x9, #40]
    0xd4000001, //          svc  #0
    0x34000040, //          cbz  w0, next
    0xd65f03c0, //          ret                     the child's number, or -errno
    0xf9400148, //    next: ldr  x8, [x10]
    0xa9408540, //          ldp  x0, x1, [x10, #8]
    0xa9418d42, //          ldp  x2, x3, [x10, #24]
    0xf9401544, //          ldr  x4, [x10, #40]
    0xd4000001, //          svc  #0
    0xa943314b, //          ldp  x11, x12, [x10, #48]   CALL.mask, CALL.flip
    0x8a0b0000, //          and  x0, x0, x11
    0xca0c0000, //          eor  x0, x0, x12
    0xb7f80060, //          tbnz x0, #63, wrong
    0x9101214a, //          add  x10, x10, #72      CALL.sizeof
    0x17fffff6, //          b    next
    0xf9002140, //   wrong: str  x0, [x10, #64]     CALL.wrong
    0xd2800bc8, //          mov  x8, #94            exit_group
    0xd2800fe0, //          mov  x0, #127
    0xd4000001, //          svc  #0
  ),
};

/** Instructions of 4 bytes each, as arm64 reads them. */
function words(...instructions: number[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(instructions.length * 4));
  instructions.forEach((instruction, i) => view.setUint32(i * 4, instruction, true));
  return new Uint8Array(view.buffer);
}

const SIG_SETMASK = 2; // asm/signal.h
const SIGSET_BYTES = 128;
const ALL_SIGNALS = new Uint8Array(SIGSET_BYTES).fill(0xff);

/** Calls laid out for the code, one after another. */
export class Calls implements Disposable {
  readonly #steps: readonly Step[];
  readonly #memory: CMemory;
  readonly #words: BigInt64Array<ArrayBuffer>;

  /**
   * @param memory "shared" for a child with a copy of ours: it tells us nothing but by that.
   * @throws {ErrnoError} ENOMEM.
   */
  constructor(steps: readonly Step[], memory: "own" | "shared" = "own") {
    this.#steps = steps;
    this.#memory = new CMemory(steps.length * CALL.sizeof * BigInt64Array.BYTES_PER_ELEMENT, memory);
    this.#words = new BigInt64Array(this.#memory.buffer);
    for (const [i, { call, is }] of steps.entries()) {
      const at = i * CALL.sizeof;
      this.#words[at + CALL.number] = call.number;
      call.args.forEach((arg, j) => this.#words[at + CALL.args + j] = arg);
      this.#words[at + CALL.mask] = JUDGED[is].mask;
      this.#words[at + CALL.flip] = JUDGED[is].flip;
    }
  }

  /** Where they are, as native code takes them. */
  get address(): bigint {
    return this.#memory.address;
  }

  /** The error that has ended the child, if one has. */
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

const PROT_READ_EXEC = 5; // sys/mman.h

/**
 * Makes code executable, for as long as this process lives. No memory is writable and executable at once.
 * @throws {ErrnoError} ENOMEM, or EACCES where a policy forbids it.
 */
function loadCode<Function>(code: Uint8Array): Deno.PointerObject<Function> {
  const memory = mapPages(code.length, "private");
  new Uint8Array(Deno.UnsafePointerView.getArrayBuffer(memory, code.length)).set(code);
  check(libc.mprotect(memory, BigInt(code.length), PROT_READ_EXEC), "mprotect");
  return memory as Deno.PointerObject<Function>;
}

const native = new Deno.UnsafeFnPointer(loadCode(CODE[Deno.build.arch]), {
  parameters: ["u64", "u64"],
  result: "i32",
});

/**
 * Starts a child that shares our memory, or has a copy of it, until it executes a program.
 * @param clone clone3(2) or clone(2). We make it with all signals blocked, in the child too: none of our
 *   handlers may run there.
 * @param calls The child's calls. It reads them, and all that they point to, until it executes its program.
 * @returns Its number; or -errno of the clone, if there is no child.
 */
export function startChild(clone: SystemCall, calls: Calls): number {
  using first = new Calls([{ call: clone, is: "to succeed" }]);
  const mask = new Uint8Array(SIGSET_BYTES);
  libc.sigprocmask(SIG_SETMASK, ALL_SIGNALS, mask);
  const pid = native.call(first.address, calls.address);
  libc.sigprocmask(SIG_SETMASK, mask, null);
  return pid;
}
