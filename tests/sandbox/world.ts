/** A daemon, and around it all that its jobs must not reach. */
import { Filed, ok, Place, sh } from "../harness.ts";
import type { Who } from "./escapes.ts";
import { freePort, Server } from "./server.ts";

export const SOURCE = new URL("attempt.c", import.meta.url).pathname;
/** What the files of a world have, and what a job prints that got out in another way. */
const PROOF = "s3cr3t";
const USER = "games";
/** Files of a directory outside of the rules: one for each escape that changes one. */
const FILES = "secret linked overwritten appended truncated removed moved exchanged";

export class World implements AsyncDisposable {
  readonly filed: Filed;
  readonly #stack: AsyncDisposableStack;
  readonly #env: Record<Who, Record<string, string>>;

  private constructor(filed: Filed, env: Record<Who, Record<string, string>>, stack: AsyncDisposableStack) {
    this.filed = filed;
    this.#env = env;
    this.#stack = stack;
  }

  static async make(kind: "plain" | "sandboxed"): Promise<World> {
    await using stack = new AsyncDisposableStack();
    const place = stack.use(await Place.make());
    const { path } = place;
    await ok(sh(SETUP, { P: path, USER, PROOF, FILES, SOURCE }));
    const rules = [
      ...["/usr", "/bin", `${path}/tools`].flatMap((path) => ["--exec", path]),
      ...["/proc", `${path}/ro-root`, `${path}/ro-user`].flatMap((path) => ["--ro", path]),
      ...["root", "user"].flatMap((who) => ["--rw", `${path}/rw-${who}`]),
    ];
    const filed = stack.use(
      await Filed.start(place, {
        args: kind === "plain" ? [] : ["--sandbox=require", ...rules],
        env: { PROOF },
        config: { max_attempts: 1, timeout_sec: 0 },
      }),
    );
    await ok(filed.sh("cd $M && chmod 1777 pending active complete failed"));
    const server = stack.use(await Server.start(`${path}/tools/attempt`));
    const common = {
      MNT: filed.mount,
      STATE: filed.state,
      DAEMON: String(filed.pid),
      TOOLS: `${path}/tools`,
      PORT: server.port,
      FREE_PORT: await freePort(`${path}/tools/attempt`),
      SOCKET: server.socket,
    };
    const envOf = (WHO: Who) => ({
      ...common,
      WHO,
      OUT: `${path}/out-${WHO}`,
      RW: `${path}/rw-${WHO}`,
      RO: `${path}/ro-${WHO}`,
    });
    const world = new World(filed, { root: envOf("root"), user: envOf("user") }, stack.move());
    try {
      await Promise.all([world.#addVictims("root"), world.#addVictims("user")]);
      return world;
    } catch (error) {
      await world[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Runs a job of that user to its end. */
  async run(who: Who, id: string, command: string): Promise<{ isComplete: boolean; log: string }> {
    await this.#submit(who, id, command);
    const log = await this.filed.finished(id);
    const isComplete = (await this.filed.list("complete")).includes(id);
    return { isComplete, log };
  }

  /** Whether a condition of sh holds, for root. */
  async holds(who: Who, condition: string): Promise<boolean> {
    return (await sh(condition, this.#env[who])).status === 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }

  async #submit(who: Who, id: string, command: string) {
    const assignments = Object.entries(this.#env[who]).map(([name, value]) => `${name}='${value}'\n`);
    const env = { M: this.filed.mount, ID: id, COMMAND: assignments.join("") + command };
    const script = 'printf %s "$COMMAND" > "$M/pending/$ID"';
    await ok(sh(script, env, who === "user" ? { user: USER } : {}));
  }

  /** Jobs of a user that others could do something to. */
  async #addVictims(who: Who) {
    const { OUT, RW } = this.#env[who] as Record<"OUT" | "RW", string>;
    await this.#submit(who, `.renamed-${who}`, "true");
    await this.#submit(who, `victim-${who}`, VICTIM);
    this.#env[who].VICTIM = (await Deno.readTextFile(`${RW}/up`)).trim();
    this.#env[who].VICTIM_ID = `victim-${who}`;
    await this.#submit(who, `prey-${who}`, 'echo up > "$RW/up"; exec sleep 1000');
    await Deno.readTextFile(`${RW}/up`);
    await ok(sh("mount -t tmpfs none $OUT/mounted && mount -t tmpfs none $OUT/to-unmount", { OUT }));
  }
}

const SETUP = `
set -e
cd "$P"
chmod 755 .
mkdir tools
cc -O1 -o tools/attempt "$SOURCE"
cp tools/attempt tools/setuid
chmod 4755 tools/setuid
for who in root user; do
  mkdir out-$who rw-$who ro-$who
  for file in $FILES; do echo "$PROOF" > out-$who/$file; done
  mkdir out-$who/empty out-$who/to-mount out-$who/mounted out-$who/to-unmount
  for file in appended moved linked; do echo "$PROOF" > ro-$who/$file; done
  cp tools/attempt ro-$who/program
  mkfifo rw-$who/up rw-$who/ask rw-$who/answer
done
chown -R "$USER" out-user rw-user ro-user
`;

/** A job that says, when it is asked, whether it was signalled. */
const VICTIM = `
heard=none
trap 'heard=$PROOF' USR1
echo $$ > "$RW/up"
while :; do
  if read -r _ < "$RW/ask"; then
    echo "$heard" > "$RW/answer"
    heard=none
  fi
done 2>/dev/null`;
