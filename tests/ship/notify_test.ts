/** What filed tells a service manager, sd_notify(3), over a real datagram socket. */
import assert from "node:assert/strict";
import { type Filed, Place, startFiled, within } from "../harness.ts";
import { assertAsleep } from "../proc.ts";
import { TextLineStream } from "../text_lines.ts";

/** Prints each datagram as a line of JSON, once it has printed that it listens. Deno has no such socket. */
const RECEIVER = `
import json, os, socket, sys
path = sys.argv[1]
receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
receiver.bind("\\0" + path[1:] if path[0] == "@" else path)
print(json.dumps("listening"), flush=True)
while True:
    print(json.dumps(receiver.recv(65536).decode()), flush=True)
`;

/** A service manager's end of the socket. */
class Manager implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #lines: ReadableStreamDefaultReader<string>;

  private constructor(path: string) {
    this.#child = new Deno.Command("python3", {
      args: ["-c", RECEIVER, path],
      stdin: "null",
      stdout: "piped",
    }).spawn();
    this.#lines = this.#child.stdout.pipeThrough(new TextDecoderStream()).pipeThrough(new TextLineStream())
      .getReader();
  }

  static async listen(path: string): Promise<Manager> {
    await using starting = new AsyncDisposableStack();
    const manager = starting.use(new Manager(path));
    assert.equal(await manager.next(), "listening");
    starting.move();
    return manager;
  }

  /** The next datagram, past or to come. */
  async next(): Promise<string> {
    const { value } = await within("a datagram", () => this.#lines.read());
    return JSON.parse(value ?? "null");
  }

  /** Skips datagrams up to that one. */
  async until(text: string): Promise<void> {
    while (await this.next() !== text);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#lines.cancel();
    await this.#child.status;
  }
}

async function startWith(path: string): Promise<Filed & { place: Place }> {
  return await startFiled({ env: { NOTIFY_SOCKET: path } });
}

const ADDRESSES = [
  ["a path", (place: Place) => `${place.path}/notify`],
  ["a name in the abstract namespace", () => `@filed-test-${crypto.randomUUID()}`],
] as const;

for (const [what, addressIn] of ADDRESSES) {
  Deno.test(`a service manager at ${what} hears of the start, the jobs and the stop`, async () => {
    await using place = await Place.make();
    const address = addressIn(place);
    await using manager = await Manager.listen(address);
    await using filed = await startWith(address);
    assert.equal(await manager.next(), "READY=1\nSTATUS=0 active, 0 pending");
    await filed.configure({ max_job_count: 1 });
    await filed.submit("1", "exec sleep 60");
    await filed.submit("2", "true");
    await manager.until("STATUS=1 active, 1 pending");
    await Deno.remove(`${filed.mount}/active/1`);
    await manager.until("STATUS=0 active, 0 pending");
    await filed.stop();
    assert.equal(await manager.next(), "STOPPING=1\nSTATUS=stopping");
  });
}

Deno.test("READY=1 is sent when the mount answers", async () => {
  await using place = await Place.make();
  await using manager = await Manager.listen(`${place.path}/notify`);
  const starting = startWith(`${place.path}/notify`);
  await manager.until("READY=1\nSTATUS=0 active, 0 pending");
  const mounts = (await Deno.readTextFile("/proc/self/mountinfo")).split("\n");
  await using filed = await starting;
  assert.ok(mounts.some((line) => line.split(" ")[4] === filed.mount));
});

Deno.test("a delayed job that starts by itself is told too", async () => {
  await using place = await Place.make();
  await using manager = await Manager.listen(`${place.path}/notify`);
  await using filed = await startWith(`${place.path}/notify`);
  await filed.configure({ backoff_base: 3, backoff_mult: 1 });
  await filed.submit("1", "[ $FILED_ATTEMPT = 2 ] || exit 1; exec sleep 60");
  await manager.until("STATUS=0 active, 1 pending");
  await manager.until("STATUS=1 active, 0 pending");
});

Deno.test("the status costs an idle filed no wake-up", async () => {
  await using place = await Place.make();
  await using manager = await Manager.listen(`${place.path}/notify`);
  await using filed = await startWith(`${place.path}/notify`);
  await filed.finish("1", "true");
  await manager.until("STATUS=0 active, 0 pending");
  await assertAsleep(filed.pid);
});

Deno.test("a job can't speak to the service manager for filed", async () => {
  await using place = await Place.make();
  await using manager = await Manager.listen(`${place.path}/notify`);
  await using filed = await startWith(`${place.path}/notify`);
  assert.match(await filed.finish("1", 'echo "<$NOTIFY_SOCKET>"'), /^<>$/m);
  await manager.next();
});

Deno.test("a service manager that can't be reached is no reason not to start", async () => {
  await using place = await Place.make();
  await using filed = await startWith(`${place.path}/nobody`);
  await filed.event("cannot reach the service manager");
  await filed.finish("1", "true");
});
