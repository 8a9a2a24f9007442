import { mount, Session } from "../../src/fuse/mod.ts";
import { ok, run, within } from "../harness.ts";
import { OPTIONS, temporaryDirectory } from "./harness.ts";
import { MemoryFs } from "./memory_fs.ts";

/**
 * A file system that everybody may use and that never answers: READ of `never` and WRITE of `page`, until it
 * is disposed of. It is served by this very process, so a test must only touch it in children.
 */
export class HangingFs extends MemoryFs {
  readonly #asked = Promise.withResolvers<void>();
  readonly #over = Promise.withResolvers<never>();
  /** Resolves once it was asked for what it does not answer. */
  readonly asked: Promise<void> = this.#asked.promise;

  constructor() {
    super({ never: () => this.#hang() });
    this.#over.promise.catch(() => {});
  }

  override write(): never {
    return this.#hang() as never;
  }

  /** Answers all that was asked. */
  end(): void {
    this.#over.reject(new Error("the test is over"));
  }

  #hang(): Promise<never> {
    this.#asked.resolve();
    return this.#over.promise;
  }
}

export interface Hanging extends AsyncDisposable {
  readonly path: string;
  readonly fs: HangingFs;
}

export async function serveHanging(): Promise<Hanging> {
  await using cleanup = new AsyncDisposableStack();
  const { path } = cleanup.use(await temporaryDirectory());
  await Deno.chmod(path, 0o755);
  const fs = new HangingFs();
  const mounted = cleanup.use(await mount(path, { ...OPTIONS, admit: "everyone" }));
  const session = cleanup.use(new Session(mounted.fd, fs, { onError: () => undefined }));
  const end = session.run();
  cleanup.defer(() => fs.end());
  await ok(run(["sh", "-c", 'cd "$1" && truncate -s 4096 page never && chmod 666 page never', "sh", path]));
  const owned = cleanup.move();
  return {
    path,
    fs,
    async [Symbol.asyncDispose]() {
      await owned.disposeAsync();
      await end;
    },
  };
}

/**
 * Python that makes its process one of user argv[2] that holds its own memory, so that nobody gets to read
 * its environment: for as long as the file system at argv[1] does not answer the write of a page that it has
 * mapped.
 */
const HOLDER = `
import ctypes, os, sys
os.setgroups([])
os.setresgid(*[int(sys.argv[2])] * 3)
os.setresuid(*[int(sys.argv[2])] * 3)
libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
READ, WRITE, SHARED, PRIVATE, FIXED, ANONYMOUS, PAGE = 1, 2, 1, 2, 0x10, 0x20, 4096
page = libc.mmap(None, PAGE, READ | WRITE, SHARED, os.open(sys.argv[1] + "/page", os.O_RDWR), 0)
ctypes.memset(page, 1, 1)
libc.mmap(page, PAGE, READ, PRIVATE | ANONYMOUS | FIXED, -1, 0)
`;

/**
 * Starts such a process; whoever lists processes with their arguments waits for it until it is disposed of.
 */
export async function startHolder({ path, fs }: Hanging, uid: number): Promise<AsyncDisposable> {
  const child = new Deno.Command("python3", { args: ["-c", HOLDER, path, String(uid)] }).spawn();
  const ended = child.status.then(() => Promise.reject(new Error("the holder has ended")));
  await within("the holder", () => Promise.race([fs.asked, ended]));
  return {
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      fs.end();
      await ended.catch(() => {});
    },
  };
}
