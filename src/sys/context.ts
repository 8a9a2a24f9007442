import { addressOf } from "./c_memory.ts";
import { ErrnoError } from "./errno.ts";
import { LIBC } from "./libc.ts";

const { symbols: libc } = Deno.dlopen(LIBC, {
  getcontext: { parameters: ["pointer"], result: "i32" },
  // Variadic from the fourth on; integers are passed alike either way, on x86-64 and arm64.
  makecontext: {
    parameters: ["pointer", "pointer", "i32", "u64", "u64", "u64", "u64", "u64", "u64"],
    result: "void",
  },
  dlsym: { parameters: ["pointer", "buffer"], result: "pointer" },
});

const IS_ARM = Deno.build.arch === "aarch64";

// ucontext_t, sys/ucontext.h: x86-64 and arm64 differ in size only.
const UCONTEXT = { link: 8, stackPointer: 16, stackSize: 32, sizeof: IS_ARM ? 4_560 : 968 } as const;
/** For a system call, or a function of libc that calls few others. */
const CALL_STACK_BYTES = 65_536;
const STACK_ALIGNMENT = 16;

/** What makecontext(3) passes on. */
type Arguments = [bigint, bigint, bigint, bigint, bigint, bigint];
const ARGUMENT_COUNT = 6;

/** A function of libc, and up to six arguments, integers or addresses. What it returns is lost. */
export interface NativeCall {
  function: "syscall" | "posix_spawn";
  args: readonly bigint[];
}

/** One call, and where to go on after it: see makecontext(3). */
export class Context {
  readonly #memory = new Memory(UCONTEXT.sizeof);
  readonly #stack = new Memory(CALL_STACK_BYTES);

  get pointer(): Deno.PointerValue {
    return this.#memory.pointer;
  }

  get address(): bigint {
    return this.#memory.address;
  }

  prepare(call: NativeCall, next: Context | undefined): void {
    const { pointer, view } = this.#memory;
    libc.getcontext(pointer);
    view.setBigUint64(UCONTEXT.link, next ? next.address : 0n, true);
    view.setBigUint64(UCONTEXT.stackPointer, this.#stack.address, true);
    view.setBigUint64(UCONTEXT.stackSize, BigInt(CALL_STACK_BYTES), true);
    const args = Array.from({ length: ARGUMENT_COUNT }, (_, i) => call.args[i] ?? 0n) as Arguments;
    libc.makecontext(pointer, addressOfFunction(call.function), args.length, ...args);
  }
}

/** Memory at an address that stays. */
export class Memory {
  readonly view: DataView<ArrayBuffer>;
  readonly pointer: Deno.PointerValue;
  readonly address: bigint;

  constructor(sizeBytes: number) {
    const buffer = new ArrayBuffer(sizeBytes + STACK_ALIGNMENT);
    const start = addressOf(new Uint8Array(buffer));
    const padding = (STACK_ALIGNMENT - Number(start % BigInt(STACK_ALIGNMENT))) % STACK_ALIGNMENT;
    this.view = new DataView(buffer, padding, sizeBytes);
    this.address = start + BigInt(padding);
    this.pointer = Deno.UnsafePointer.create(this.address);
  }
}

const addresses = new Map<string, Deno.PointerValue>();

/** Where a function of libc is. */
export function addressOfFunction(name: NativeCall["function"] | "setcontext"): Deno.PointerValue {
  const known = addresses.get(name);
  if (known !== undefined) return known;
  const found = libc.dlsym(null, new TextEncoder().encode(`${name}\0`)); // NULL is RTLD_DEFAULT
  if (found === null) throw new ErrnoError("ENOSYS", `dlsym ${name}`);
  addresses.set(name, found);
  return found;
}
