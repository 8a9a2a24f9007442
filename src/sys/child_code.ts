import { ErrnoError } from "./errno.ts";
import { LIBC } from "./libc.ts";
import { loadCode } from "./machine_code.ts";
import type { SystemCall } from "./system_call.ts";

const { symbols: libc } = Deno.dlopen(LIBC, {
  pthread_sigmask: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
});

/** A call of a child's, which then makes no other unless this one ends as it is to. */
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
 * The child never touches a stack, and so needs none of its own. All that it changes is its own registers, and the last word of
 * a call that did not end as it was to.
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

/** Starts children that share all memory with this thread, which waits until they execute a program, or have ended. */
export class ChildCode {
  readonly #start = new Deno.UnsafeFnPointer(
    loadCode(CODE),
    { parameters: ["buffer", "usize", "buffer"], result: "i32" } as const,
  );

  /**
   * @param args struct clone_args, with CLONE_VM and CLONE_VFORK; with CLONE_CLEAR_SIGHAND too, for no handler may run in the child.
   * @param steps What the child does, with all signals blocked. The last executes a program.
   * @returns Its number, or -errno of clone3(2), if there is no child; and what went wrong, if that ended it.
   */
  start(
    args: Uint8Array<ArrayBuffer>,
    steps: readonly Step[],
  ): { pid: number; error: ErrnoError | undefined } {
    const calls = encode(steps);
    const mask = new Uint8Array(SIGSET_BYTES);
    // A child that a terminal stops before it has a session of its own would keep this thread waiting.
    libc.pthread_sigmask(SIG_SETMASK, ALL_SIGNALS, mask);
    const pid = this.#start.call(args, BigInt(args.length), calls);
    libc.pthread_sigmask(SIG_SETMASK, mask, null);
    return { pid, error: errorIn(calls, steps) };
  }
}

function encode(steps: readonly Step[]): BigInt64Array<ArrayBuffer> {
  const calls = new BigInt64Array(steps.length * CALL.sizeof);
  for (const [i, { call, is }] of steps.entries()) {
    const at = i * CALL.sizeof;
    calls[at + CALL.number] = call.number;
    call.args.forEach((arg, j) => calls[at + CALL.args + j] = arg);
    calls[at + CALL.isToFail] = is === "to fail" ? SIGN : 0n;
  }
  return calls;
}

function errorIn(calls: BigInt64Array<ArrayBuffer>, steps: readonly Step[]): ErrnoError | undefined {
  for (const [i, { call, is }] of steps.entries()) {
    const wrong = calls[i * CALL.sizeof + CALL.wrong] ?? 0n;
    if (wrong === 0n) continue;
    return is === "to fail"
      ? new ErrnoError("EPERM", `${call.name} of a child did not fail`)
      : new ErrnoError(Number(-wrong), `${call.name} of a child`);
  }
}
