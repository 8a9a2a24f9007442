/** What the figures were measured on and with. */
import { type Rig, run } from "./rig.ts";

const TREE = new URL("..", import.meta.url).pathname;

/** Facts as a list in Markdown. */
export async function describe({ filed, folder }: Rig): Promise<string> {
  const [program, ...args] = filed as [string, ...string[]];
  const version = (await run([program, ...args, "--version"])).trimEnd().split("\n").join(", ");
  const cpu = /^model name\s*:\s*(.*)$/m.exec(await Deno.readTextFile("/proc/cpuinfo"))?.[1] ?? "CPU";
  const memory = /^MemTotal:\s+(\d+)/m.exec(await Deno.readTextFile("/proc/meminfo"))?.[1];
  const disk = await firstLine(`findmnt -n -o FSTYPE,SOURCE -T ${folder}`);
  return [
    `- ${new Date().toISOString().slice(0, 16).replace("T", " ")} UTC, commit ${await commit()}`,
    `- ${navigator.hardwareConcurrency} x ${cpu}, ${Math.round(Number(memory) / 1_048_576)} GiB`,
    `- ${disk}, one write of 4 KiB to the disk takes ${await syncUs(folder)} us`,
    `- ${await firstLine("uname -sr")}, ${await firstLine('. /etc/os-release; echo "$PRETTY_NAME"')}`,
    `- ${version}`,
    `- ${await versions("bindfs", "nq", "task-spooler")}`,
  ].join("\n");
}

async function commit(): Promise<string> {
  const head = await firstLine(`git -C '${TREE}' rev-parse --short HEAD`);
  const isClean = await firstLine(`git -C '${TREE}' status --porcelain`) === "";
  return head === "" ? "unknown" : isClean ? head : `${head}, and changes`;
}

/** The median of fdatasync(2), as fio measures it. */
async function syncUs(folder: string): Promise<string> {
  const job = "--name=sync --rw=write --bs=4k --size=16m --fdatasync=1 --time_based --runtime=2";
  const printed = await run([
    "sh",
    "-c",
    `cd "$1" && fio ${job} --output-format=json 2>/dev/null || echo '{}'`,
    "sh",
    folder,
  ]);
  const { jobs } = JSON.parse(printed) as {
    jobs?: { sync: { lat_ns: { percentile: Record<string, number> } } }[];
  };
  const ns = jobs?.[0]?.sync.lat_ns.percentile["50.000000"];
  return ns === undefined ? "?" : String(Math.round(ns / 1_000));
}

/** What Debian's packages say of themselves. */
async function versions(...packages: string[]): Promise<string> {
  const found = await Promise.all(packages.map(async (name) => {
    const version = await firstLine(`dpkg-query -W -f '\${Version}' ${name}`);
    return version === "" ? `no ${name}` : `${name} ${version}`;
  }));
  return found.join(", ");
}

/** Empty if the command fails. */
async function firstLine(command: string): Promise<string> {
  const printed = await run(["sh", "-c", `${command} 2>/dev/null || true`]);
  return printed.split("\n")[0]?.replaceAll(/\s+/g, " ").trim() ?? "";
}
