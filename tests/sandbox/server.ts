/** A process that listens, at a TCP port and at abstract sockets. */
export class Server implements AsyncDisposable {
  private constructor(
    readonly port: string,
    /** The name of an abstract socket; `-datagram` after it is another one. */
    readonly socket: string,
    private readonly child: Deno.ChildProcess,
    private readonly output: ReadableStreamDefaultReader<string>,
  ) {}

  /** @param program attempt.c, compiled */
  static async start(program: string): Promise<Server> {
    const socket = `filed-test-${crypto.randomUUID()}`;
    const child = new Deno.Command(program, { args: ["serve", socket], stdin: "piped", stdout: "piped" })
      .spawn();
    const output = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    const { value = "" } = await output.read();
    return new Server(value.trim(), socket, child, output);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.child.stdin.close();
    await this.output.cancel();
    await this.child.status;
  }
}

/** A port that nobody has just now. */
export async function freePort(program: string): Promise<string> {
  await using server = await Server.start(program);
  return server.port;
}
