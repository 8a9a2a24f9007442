/** How long filed takes from exec to a mount that answers, and what memory it has at rest: start.ts [FILE]... */
import { basename } from "node:path";

const TREE = new URL("..", import.meta.url).pathname;
const STARTS = 15;
/** At rest for so long: what the start has left is collected by then. */
const REST_MS = 1_500;

interface Kind {
  name: string;
  command: string[];
}

interface Measured {
  startMs: number;
  residentMiB: number;
  privateMiB: number;
}

const kinds: Kind[] = [
  {
    name: "source tree",
    command: [Deno.execPath(), "run", "--allow-all", "--no-prompt", `${TREE}main.ts`],
  },
  ...await Promise.all(Deno.args.map(async (file) => ({
    name: `${basename(file)}, ${await isScript(file) ? "self-extracting" : "compiled"}`,
    command: [file],
  }))),
];

const place = await Deno.makeTempDir({ prefix: "filed-bench-" });
try {
  for (const { name, command } of kinds) {
    const first = await measure(command, 0);
    const starts: number[] = [];
    for (let i = 1; i < STARTS; i++) starts.push((await measure(command, 0)).startMs);
    const { residentMiB, privateMiB } = await measure(command, REST_MS);
    starts.sort((a, b) => a - b);
    const ms = (index: number) => starts[Math.floor(index)]?.toFixed(0);
    console.log(
      `${name}: start ${ms(starts.length / 2)} ms (${ms(0)} to ${ms(starts.length - 1)}; the first ` +
        `${first.startMs.toFixed(0)}), at rest ${residentMiB.toFixed(0)} MiB resident, ` +
        `${privateMiB.toFixed(0)} of it its own`,
    );
  }
} finally {
  await Deno.remove(place, { recursive: true });
}

async function isScript(file: string): Promise<boolean> {
  using opened = await Deno.open(file);
  const bytes = new Uint8Array(2);
  await opened.read(bytes);
  return new TextDecoder().decode(bytes) === "#!";
}

/** Starts filed on an empty queue, uses its mount once, and stops it. */
async function measure([program, ...args]: string[], restMs: number): Promise<Measured> {
  const mount = `${place}/mnt`;
  await Deno.mkdir(mount, { recursive: true });
  const startedAt = performance.now();
  const child = new Deno.Command(program as string, {
    args: [...args, "--state", `${place}/filed.db`, mount],
    stdin: "null",
    stdout: "null",
    stderr: "null",
    env: { XDG_CACHE_HOME: `${place}/cache` },
  }).spawn();
  try {
    while (!await isServed(mount)) await new Promise((resolve) => setTimeout(resolve, 1));
    const startMs = performance.now() - startedAt;
    await new Promise((resolve) => setTimeout(resolve, restMs));
    const status = await Deno.readTextFile(`/proc/${child.pid}/status`);
    const mib = (field: string) => Number(new RegExp(`^${field}:\\s+(\\d+)`, "m").exec(status)?.[1]) / 1_024;
    return { startMs, residentMiB: mib("VmRSS"), privateMiB: mib("RssAnon") };
  } finally {
    child.kill("SIGTERM");
    await child.status;
  }
}

async function isServed(mount: string): Promise<boolean> {
  return await Deno.stat(`${mount}/new-id`).then(() => true, () => false);
}
