/** Other queues, where they are installed. None of them keeps a job through a power cut. */
import { cleanUp, type Daemon, type Rig, run, timeMs } from "./rig.ts";

/** A queue that holds its jobs back until it is let go. */
export interface HeldQueue extends AsyncDisposable {
  /** Queues so many jobs, `true`, from a loop of the shell, or as many as it holds. @returns How long that took, ms. */
  fill(count: number): Promise<number>;
  /** Lets the jobs run, and queues the others. @returns How long it took until the last had ended, ms. */
  drain(): Promise<number>;
}

export interface Peer {
  name: string;
  /** With more jobs than this it is left out. */
  most: number;
  open(rig: Rig): Promise<HeldQueue>;
}

/** Each of its jobs waits for all that are before it: 4,000 of them take minutes. */
const NQ_MOST = 1_000;

/** The peers that there are. */
export async function findPeers(): Promise<Peer[]> {
  const original = Deno.env.get("FILED_ORIGINAL");
  const peers: [string, Peer][] = [
    ["nq", { name: "nq", most: NQ_MOST, open: openNq }],
    ["tsp", { name: "tsp", most: Infinity, open: openTsp }],
    ...original
      ? [
        [original, {
          name: "original filed",
          most: Infinity,
          open: (rig) => openOriginal(rig, original),
        }] as [string, Peer],
      ]
      : [],
  ];
  const found = await Promise.all(
    peers.map(async ([program, peer]) => await isInstalled(program) ? [peer] : []),
  );
  return found.flat();
}

async function isInstalled(program: string): Promise<boolean> {
  return await run(["sh", "-c", 'command -v "$1"', "sh", program]).then(() => true, () => false);
}

/** nq runs one job at a time, in order. */
async function openNq(rig: Rig): Promise<HeldQueue> {
  const env = { NQDIR: await rig.directory("nq") };
  const gate = await Gate.make(rig);
  await run(["nq", ...gate.job], { env });
  return {
    fill: (count) => timeMs(loop("nq true >/dev/null", count), { env }),
    async drain() {
      const startedAt = performance.now();
      await gate.open();
      await run(["nq", "-w"], { env });
      return performance.now() - startedAt;
    },
    async [Symbol.asyncDispose]() {
      await gate.open();
      await cleanUp(["nq", "-w"], { env });
      await Deno.remove(env.NQDIR, { recursive: true });
    },
  };
}

/** task-spooler keeps a connection for each job that waits, and has 1,000 of them at most. */
const HELD_BY_TSP = 900;

/** task-spooler runs as many jobs at once as it has slots. */
async function openTsp(rig: Rig): Promise<HeldQueue> {
  const folder = await rig.directory("tsp");
  const env = { TS_SOCKET: `${folder}/socket`, TMPDIR: folder };
  const gate = await Gate.make(rig);
  await run(["tsp", ...gate.job], { env });
  let others = 0;
  const submit = (count: number) => timeMs(loop("tsp -n true >/dev/null", count), { env });
  return {
    fill(count) {
      others = Math.max(0, count - HELD_BY_TSP);
      return submit(count - others);
    },
    async drain() {
      const startedAt = performance.now();
      await run(["tsp", "-S", "20"], { env });
      await gate.open();
      await submit(others);
      await run(["tsp", "-w"], { env });
      return performance.now() - startedAt;
    },
    async [Symbol.asyncDispose]() {
      await gate.open();
      await cleanUp(["tsp", "-K"], { env });
      await Deno.remove(folder, { recursive: true });
    },
  };
}

/** The first filed, whose directory this one took over: the program that $FILED_ORIGINAL names. */
async function openOriginal(rig: Rig, program: string): Promise<HeldQueue> {
  const env = { FILED_STATE_FILE: rig.path("original.db") };
  const mount = await rig.directory("mnt");
  const child = new Deno.Command(program, { args: [mount], env, stdout: "null", stderr: "null" }).spawn();
  await run(["sh", "-c", 'until [ -d "$1/pending" ]; do sleep 0.01; done', "sh", mount]);
  return {
    ...heldMount(rig, mount),
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGTERM");
      await child.status;
    },
  };
}

/** filed itself as one of them; it takes a fill and a drain again and again. */
export async function openFiled(rig: Rig): Promise<HeldQueue & { daemon: Daemon }> {
  const daemon = await rig.start();
  return {
    ...heldMount(rig, daemon.mount),
    daemon,
    [Symbol.asyncDispose]: () => daemon[Symbol.asyncDispose](),
  };
}

/** And the floor. */
export async function openFloor(rig: Rig): Promise<HeldQueue | undefined> {
  const floor = await rig.floor();
  return floor && {
    ...heldMount(rig, floor.mount),
    [Symbol.asyncDispose]: () => floor[Symbol.asyncDispose](),
  };
}

function heldMount(rig: Rig, mount: string): Omit<HeldQueue, typeof Symbol.asyncDispose> {
  let fills = 0;
  let queued = 0;
  return {
    async fill(count) {
      await Deno.writeTextFile(`${mount}/config.json`, '{"max_job_count": 0}');
      queued = count;
      return await timeMs(loop(`printf true >${mount}/pending/job${++fills}-$((i - 1))`, count));
    },
    drain: () => rig.clientMs("drain", mount, `job${fills}`, queued),
  };
}

function loop(command: string, count: number): string[] {
  return ["sh", "-c", `i=0; while [ $i -lt ${count} ]; do i=$((i + 1)); ${command}; done`];
}

/** A job that ends once something is written to a FIFO: what is queued behind it waits. */
class Gate {
  #isOpen = false;

  private constructor(private readonly fifo: string) {}

  static async make(rig: Rig): Promise<Gate> {
    const fifo = rig.path("gate");
    await run(["mkfifo", fifo]);
    return new Gate(fifo);
  }

  get job(): string[] {
    return ["sh", "-c", `read _ <${this.fifo}`];
  }

  async open(): Promise<void> {
    if (this.#isOpen) return;
    this.#isOpen = true;
    await cleanUp(["sh", "-c", 'echo >"$1"', "sh", this.fifo]);
  }
}
