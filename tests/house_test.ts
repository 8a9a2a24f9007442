/** The house: who may import whom, what the thread that serves the mount must not do, and what the documents name. */
import assert from "node:assert/strict";
import { exists } from "./harness.ts";

const TREE = new URL("..", import.meta.url);
const ENTRIES = ["main.ts", "src/worker/worker.ts"] as const;

/** Rooms are folders of src/, `settings` is what stands beside them. Each may use itself and these. */
const MAY_USE: Record<string, readonly string[]> = {
  "main": ["cli", "settings", "daemon"],
  "cli": ["settings"],
  "settings": [],
  "daemon": ["settings", "tree", "schedule", "queue", "job", "store", "run", "fuse", "sys"],
  "tree": ["queue", "job", "fuse"],
  "schedule": ["queue", "job", "run", "sys"],
  "queue": ["store", "job"],
  "store": ["job", "sys"],
  "run": ["job", "sys"],
  "worker": ["run", "job", "sys"],
  "fuse": ["sys"],
  "job": [],
  "sys": [],
};

/** The one file that every room may use. */
const MUST = "src/must.ts";

/** On which threads a room runs; the others may be on any. */
const ONLY_ON_MAIN = ["cli", "settings", "daemon", "tree", "schedule", "queue", "store", "fuse"];

function roomOf(file: string): string {
  if (file === "main.ts") return "main";
  return /^src\/(\w+)\//.exec(file)?.[1] ?? "settings";
}

interface Edge {
  from: string;
  to: string;
}

interface ModuleInfo {
  specifier: string;
  dependencies?: { code?: { specifier?: string }; type?: { specifier?: string } }[];
}

/** The imports among our own files, of values and of types, from an entry on. */
async function edgesFrom(entry: string): Promise<Edge[]> {
  const { stdout, success } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", entry],
    cwd: TREE,
    stdout: "piped",
  }).output();
  assert.ok(success);
  const { modules } = JSON.parse(new TextDecoder().decode(stdout)) as { modules: ModuleInfo[] };
  const ours = (specifier: string | undefined) =>
    specifier?.startsWith(TREE.href) ? [specifier.slice(TREE.href.length)] : [];
  return modules.flatMap(({ specifier, dependencies = [] }) =>
    ours(specifier).flatMap((from) =>
      dependencies.flatMap(({ code, type }) =>
        [...new Set([...ours(code?.specifier), ...ours(type?.specifier)])].map((to) => ({ from, to }))
      )
    )
  );
}

function filesOf(edges: readonly Edge[]): string[] {
  return [...new Set(edges.flatMap(({ from, to }) => [from, to]))].sort();
}

const [mainEdges, workerEdges] = await Promise.all(ENTRIES.map(edgesFrom)) as [Edge[], Edge[]];
const edges = [...mainEdges, ...workerEdges];
const print = ({ from, to }: Edge) => `${from} -> ${to}`;

Deno.test("imports point down, from room to room", () => {
  const wrong = edges.filter(({ from, to }) => {
    const [room, used] = [roomOf(from), roomOf(to)];
    return to !== MUST && room !== used && !MAY_USE[room]?.includes(used);
  });
  assert.deepEqual(wrong.map(print), []);
});

Deno.test("a folder tells the thread", () => {
  const roomsOf = (
    of: readonly Edge[],
  ) => [...new Set(filesOf(of).filter((file) => file !== MUST).map(roomOf))];
  assert.deepEqual(roomsOf(workerEdges).filter((room) => ONLY_ON_MAIN.includes(room)), []);
  assert.deepEqual(roomsOf(mainEdges).filter((room) => room === "worker"), []);
});

Deno.test("a store is used through store.ts alone, but by the daemon, which opens it", () => {
  const within = edges.filter(({ from, to }) => roomOf(to) === "store" && roomOf(from) !== "store");
  const past = within.filter(({ from, to }) => roomOf(from) !== "daemon" && to !== "src/store/store.ts");
  assert.deepEqual(past.map(print), []);
});

Deno.test("fuse is used through mod.ts alone", () => {
  const within = edges.filter(({ from, to }) => roomOf(to) === "fuse" && roomOf(from) !== "fuse");
  assert.deepEqual(within.filter(({ to }) => to !== "src/fuse/mod.ts").map(print), []);
});

Deno.test("no import leads back to where it came from", () => {
  const uses = Map.groupBy(edges, ({ from }) => from);
  const done = new Set<string>();
  const circles: string[] = [];
  const visit = (file: string, path: string[]) => {
    if (path.includes(file)) circles.push([...path.slice(path.indexOf(file)), file].join(" -> "));
    if (done.has(file) || path.includes(file)) return;
    for (const { to } of uses.get(file) ?? []) visit(to, [...path, file]);
    done.add(file);
  };
  for (const file of filesOf(edges)) visit(file, []);
  assert.deepEqual(circles, []);
});

Deno.test("every file of src/ is used, but for tests", async () => {
  const used = new Set(filesOf(edges));
  const sources = (await sourceFiles("src")).filter((file) => !file.endsWith("_test.ts"));
  assert.deepEqual(sources.filter((file) => !used.has(file)), []);
});

/** Files in which a synchronous call can't meet the mount: daemon.ts keeps the state file out of it. */
const BESIDE_THE_STATE_FILE = "src/store/sqlite/";

Deno.test("the thread that serves the mount makes no call that could wait for the mount", async () => {
  const served = filesOf(mainEdges).filter((file) => !file.startsWith(BESIDE_THE_STATE_FILE));
  const calls: string[] = [];
  for (const file of served) {
    const text = await Deno.readTextFile(new URL(file, TREE));
    // Where no process is started, it is but a word for where a job starts.
    const forbidden = /\bDeno\.Command\b/.test(text)
      ? /\.\w+Sync\(|\bcwd\b|\bfrom "node:fs"/
      : /\.\w+Sync\(|\bcwd\(|\bfrom "node:fs"/;
    for (const [index, line] of text.split("\n").entries()) {
      const code = line.replace(/^\s*(?:\/\/|\/?\*).*/, "");
      if (forbidden.test(code)) {
        calls.push(`${file}:${index + 1}: ${line.trim()}`);
      }
    }
  }
  assert.deepEqual(calls, []);
});

Deno.test("what is in /proc and /sys is opened by libc, since Deno refuses it without the network too", async () => {
  const calls: string[] = [];
  for (const file of filesOf(edges)) {
    const text = await Deno.readTextFile(new URL(file, TREE));
    calls.push(...text.match(/\bDeno\.\w+\(\s*["`]\/(?:proc|sys)\b.*/g) ?? []);
  }
  assert.deepEqual(calls, []);
});

Deno.test("no function is called that an older glibc has in another library than libc.so.6", async () => {
  const found: string[] = [];
  for (const file of filesOf(edges)) {
    const text = await Deno.readTextFile(new URL(file, TREE));
    for (const [, functions = ""] of text.matchAll(/Deno\.dlopen\(\w+, \{([^]*?)\n\}\)/g)) {
      found.push(...functions.match(/\b(?:pthread_\w+|dlsym|dlopen|dlerror)\b(?=:)/g) ?? []);
    }
  }
  assert.deepEqual(found, []);
});

/** Short looks of our own. Whatever is confined, or in a cgroup, or another user's, is started by src/sys/spawn. */
const COMMANDS = [
  "src/daemon/hidden_files.ts",
  "src/fuse/fusermount.ts",
  "src/fuse/stale.ts",
  "src/worker/end/mark_reader.ts",
];

Deno.test("processes are started by sys/spawn, but for short looks of our own", async () => {
  const others: string[] = [];
  for (const file of filesOf(edges)) {
    if (/\bnew Deno\.Command\b/.test(await Deno.readTextFile(new URL(file, TREE)))) others.push(file);
  }
  assert.deepEqual(others, COMMANDS);
});

Deno.test("only main.ts reads the environment", async () => {
  const readers: string[] = [];
  for (const file of filesOf(edges)) {
    if (/\bDeno\.env\b|\bprocess\.env\b/.test(await Deno.readTextFile(new URL(file, TREE)))) {
      readers.push(file);
    }
  }
  assert.deepEqual(readers.filter((file) => file !== "main.ts"), []);
});

Deno.test("the files that the documents name are there", async () => {
  const documents = [
    "README.md",
    ...(await Array.fromAsync(Deno.readDir(new URL("docs", TREE)))).map(({ name }) => `docs/${name}`),
  ];
  const missing: string[] = [];
  for (const document of documents) {
    for (const [index, line] of (await Deno.readTextFile(new URL(document, TREE))).split("\n").entries()) {
      let folder = ""; // A name without one is of a file beside the one before.
      for (
        const [, path, name] of line.matchAll(
          /`(?:((?:src|tests|bench|docs|contrib)\/[\w./-]*)|(\w+_test\.ts))`/g,
        )
      ) {
        if (path) folder = path.slice(0, path.lastIndexOf("/") + 1);
        const file = path ?? folder + name;
        if (!await exists(new URL(file, TREE).pathname)) missing.push(`${document}:${index + 1}: ${file}`);
      }
    }
  }
  assert.deepEqual(missing, []);
});

async function sourceFiles(directory: string): Promise<string[]> {
  const files: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(new URL(directory, TREE))) {
    const path = `${directory}/${name}`;
    if (isDirectory) files.push(...await sourceFiles(path));
    else if (name.endsWith(".ts")) files.push(path);
  }
  return files.sort();
}
