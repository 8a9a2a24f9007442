/**
 * Random system calls of several processes against the mount and against a model of the contract. FILED_MODEL_RUNS
 * says how many sequences, FILED_MODEL_SEED which; a difference is printed as the shortest one that shows it.
 */
import assert from "node:assert/strict";
import { inspect } from "node:util";
import fc from "fast-check";
import { type Filed, startFiled } from "../harness.ts";
import { anyCall, type Call, CLIENTS, COMPLETE, FAILED, PENDING } from "./calls.ts";
import { type Answer, Client } from "./client.ts";
import { type Expected, JUST_NOW, Model } from "./model.ts";

const RUNS = Number(Deno.env.get("FILED_MODEL_RUNS") ?? 200);
const SEED = Number(Deno.env.get("FILED_MODEL_SEED") ?? 1);
const CALLS = 60; // At most; half as many on average.
/** How old a time may be that is just now. */
const JUST_NOW_MS = 60_000;

const DIRECTORIES = ["pending", "active", "complete", "failed"] as const;

Deno.test("random system calls of several processes do what the contract says", async () => {
  await using filed = await startFiled();
  await using clients = new AsyncDisposableStack();
  const all = Array.from({ length: CLIENTS }, () => clients.use(new Client(filed.mount)));
  const sequence = fc.array(anyCall, { maxLength: CALLS, size: "max" });
  const property = fc.asyncProperty(sequence, async (calls) => {
    await prepare(filed, all);
    const model = new Model();
    const inodes = new Inodes();
    const made: Call[] = [];
    for (const call of calls) await compare(model, inodes, all, call, made);
    for (const call of inspection(model)) await compare(model, inodes, all, call, made);
  });
  await fc.assert(property, { numRuns: RUNS, seed: SEED, endOnFailure: false });
});

/** Makes the mount what a new model says. */
async function prepare(filed: Filed, clients: Client[]): Promise<void> {
  for (const client of clients) await client.ask({ call: "reset" });
  const [client] = clients as [Client];
  const kept: string[] = [];
  for (const directory of DIRECTORIES) {
    for (const name of await filed.list(directory)) {
      if (directory === "complete" && COMPLETE.includes(name)) kept.push(name);
      else await Deno.remove(`${filed.mount}/${directory}/${name}`);
    }
  }
  for (const name of COMPLETE) {
    if (kept.includes(name)) await renew(client, `complete/${name}`); // Quicker than running it again.
    else await complete(filed, client, name);
  }
  for (const name of PENDING) await submit(client, name);
  for (const name of FAILED) {
    await submit(client, name);
    await client.ask({ call: "rename", path: `pending/${name}`, to: `failed/${name}`, flags: 0 });
  }
}

async function complete(filed: Filed, client: Client, name: string): Promise<void> {
  filed.log.splice(0);
  await filed.configure({ max_job_count: 1 });
  await submit(client, name);
  await filed.event("attempt ended", { job: name });
  await filed.configure({ max_job_count: 0 });
  await client.ask({ call: "stat", path: `pending/${name}` }); // So the kernel no longer knows it by that name.
}

/** Gives a file the attributes that it would have if it were new. */
async function renew(client: Client, path: string): Promise<void> {
  const now = Date.now() / 1_000;
  await client.ask({ call: "chmod", path, mode: 0o644 });
  await client.ask({ call: "chown", path, uid: Deno.uid(), gid: Deno.gid() });
  await client.ask({ call: "utimens", path, atime: now, mtime: now });
}

async function submit(client: Client, name: string): Promise<void> {
  const [slot, path] = [0, `pending/${name}`];
  await client.ask({ call: "open", slot, path, flags: ["O_WRONLY", "O_CREAT"], mode: 0o666 });
  await client.ask({ call: "write", slot, bytes: `: ${name}`, times: 1 });
  await client.ask({ call: "close", slot });
}

/** Looks at all that there is. */
function inspection(model: Model): Call[] {
  return DIRECTORIES.flatMap((directory): Call[] => [
    { client: 0, call: "scan", path: { directory }, ahead: [], behind: [] },
    ...model.names(directory).flatMap((name): Call[] => [
      { client: 0, call: "stat", path: { directory, name } },
      { client: 0, call: "read", path: { directory, name } },
    ]),
  ]);
}

/** @param made The calls so far, for the message. */
async function compare(
  model: Model,
  inodes: Inodes,
  clients: Client[],
  call: Call,
  made: Call[],
): Promise<void> {
  const resolved = model.resolve(call);
  if (!resolved) return;
  made.push(resolved);
  const expected = model.make(resolved);
  const found = await (clients[resolved.client] as Client).ask(withNames(resolved));
  const history = made.map((call) => JSON.stringify(call)).join("\n");
  assert.deepEqual(
    comparable(found, expected, inodes),
    expected ?? found,
    `${inspect({ found, expected })} after\n${history}`,
  );
}

/** The call with its paths as names in the mount. */
function withNames({ client: _client, ...call }: Call): object {
  return Object.fromEntries(
    Object.entries(call).map(([key, value]) => {
      if (key !== "path" && key !== "to" || typeof value !== "object" || value === null) return [key, value];
      const { directory, name } = value as { directory: string; name?: string };
      return [key, name === undefined ? directory : `${directory}/${name}`];
    }),
  );
}

/** What was found, as far as something is expected. */
function comparable(found: Answer, expected: Expected, inodes: Inodes): Answer {
  if (!("value" in found) || !expected || !("value" in expected)) return found;
  const [facts, expectedFacts] = [found.value, expected.value];
  if (!isRecord(facts) || !isRecord(expectedFacts)) return found;
  const value = Object.fromEntries(
    Object.keys(expectedFacts).map((key) => {
      if (key === "inode" && typeof expectedFacts[key] === "number") {
        return [key, inodes.inModel(Number(facts[key]), expectedFacts[key])];
      }
      const isJustNow = expectedFacts[key] === JUST_NOW &&
        Math.abs(Number(facts[key]) - Date.now()) < JUST_NOW_MS;
      return [key, isJustNow ? JUST_NOW : expectedFacts[key] === undefined ? undefined : facts[key]];
    }),
  );
  return { value };
}

/** Which inode number of the mount stands for which of the model. */
class Inodes {
  readonly #inModel = new Map<number, number>();
  readonly #found = new Set<number>();

  /** @param expected What it is to be, if it is new. @returns That of the model; NaN if it is none. */
  inModel(inode: number, expected: number): number {
    const known = this.#inModel.get(inode);
    if (known !== undefined) return known;
    if (this.#found.has(expected)) return NaN;
    this.#inModel.set(inode, expected);
    this.#found.add(expected);
    return expected;
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
