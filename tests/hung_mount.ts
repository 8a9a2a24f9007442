import assert from "node:assert/strict";
import { mountsBelow, run, within } from "./harness.ts";
import { TextLineStream } from "./text_lines.ts";

/**
 * Answers INIT, linux/fuse.h, and nothing else: who asks waits for as long as this lives, and can't even be
 * killed, since the request was read. It says a line for each request.
 */
const SERVER = `
import ctypes, os, struct, sys
path, uid = sys.argv[1], int(sys.argv[2])
libc = ctypes.CDLL(None, use_errno=True)
device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
data = f"fd={device},rootmode=40000,user_id={uid},group_id=0,allow_other".encode()
if libc.mount(b"hung", path.encode(), b"fuse", 0, data): raise OSError(ctypes.get_errno(), "mount")
FUSE_INIT = 26
while True:
    try:
        request = os.read(device, 1 << 20)
    except OSError:
        break # It was unmounted.
    length, opcode, unique = struct.unpack_from("=IIQ", request)
    if opcode == FUSE_INIT:
        init = struct.pack("=IIIIHHIIHHI7I", 7, 31, 65536, 0, 16, 12, 65536, 1, 32, 0, 0, *[0] * 7)
        os.write(device, struct.pack("=IiQ", 16 + len(init), 0, unique) + init)
        print("mounted", flush=True)
    else:
        print("asked", flush=True)
`;

/**
 * A directory of a user's that never answers: a file system of his own, or one whose server is gone. Takes
 * root.
 */
export class HungMount implements AsyncDisposable {
  readonly #server: Deno.ChildProcess;
  readonly #lines: ReadableStreamDefaultReader<string>;

  private constructor(readonly path: string, uid: number) {
    this.#server = new Deno.Command("python3", {
      args: ["-c", SERVER, path, String(uid)],
      stdin: "null",
      stdout: "piped",
    }).spawn();
    const text = this.#server.stdout.pipeThrough(new TextDecoderStream());
    this.#lines = text.pipeThrough(new TextLineStream()).getReader();
  }

  /** @param path A directory. */
  static async make(path: string, uid: number): Promise<HungMount> {
    await using starting = new AsyncDisposableStack();
    const mount = starting.use(new HungMount(path, uid));
    await mount.#line("mounted");
    starting.move();
    return mount;
  }

  /** Resolves once somebody waits for an answer, each time for another request. */
  asked(): Promise<void> {
    return this.#line("asked");
  }

  /** Whoever waits is told that there is no server any more. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#server.kill("SIGKILL");
    } catch { /* It has ended. */ }
    await this.#server.status;
    await this.#lines.cancel();
    await run(["umount", "-l", this.path]); // Unless filed has unmounted it.
    assert.deepEqual(await mountsBelow(this.path), []);
  }

  async #line(expected: string) {
    const { value } = await within(`${expected} from a mount that hangs`, () => this.#lines.read());
    if (value !== expected) throw new Error(`The mount that hangs says ${value ?? "nothing any more"}`);
  }
}
