import {
  type Dependency,
  type DependencyKind,
  MAX_DEPENDENCIES,
  type Reference,
  referenceOf,
  type References,
  referencesIn,
} from "../job/dependencies.ts";
import { setImmediate } from "node:timers";
import { isDraft, type JobNo } from "../job/id.ts";
import type { Job } from "../job/job.ts";
import { matches, type Pattern } from "../job/pattern.ts";
import type { Store } from "../store/store.ts";

/** The jobs that a header names. */
export type Bound =
  | { kind: "bound"; dependencies: Dependency[] }
  /** `missing`: there is no such job; `circle`: it would wait for itself; `too-many`: nobody may wait for so many. */
  | { kind: "missing" | "circle" | "too-many"; reason: string };

/** What a job is to wait for that is submitted, and by which words of its header. */
export interface Waited {
  asks: References;
  dependencies: readonly Dependency[];
}

/** The jobs that were found before by what is written, which they stay, whatever they are called by then. */
export type Known = Map<string, readonly Named[]>;

/** A job under the id by which it was found. */
interface Named {
  id: string;
  /** `null`: no job has the id. */
  parent: JobNo | null;
  isMet: boolean;
}

/** So many are remembered from a write to the close. What is named beyond that is found anew. */
const REMEMBERED = 16;
/** So many ids are looked at in one go; and so many are looked up. */
const PAGE = 1_000;
const LOOKED_UP = 100;
type Dependant = Pick<Job, "number" | "id" | "uid">;

/**
 * Finds the jobs that a job is to wait for. An id is that of any job; a pattern stands for those of the same owner.
 * @param known What was found before; what is found is added.
 */
export async function bind(store: Store, job: Dependant, asks: References, known: Known): Promise<Bound> {
  const found = new Map<string, Dependency>();
  for (const [index, { kind, text }] of referencesIn(asks).entries()) {
    if (index % LOOKED_UP === LOOKED_UP - 1) await othersTurn();
    const reference = referenceOf(text);
    const before = known.get(text);
    const named = before && await areThere(store, before) ? before : await find(store, job, reference);
    if (named === "too-many") return tooMany(kind, text);
    if (named.length === 0) return { kind: "missing", reason: whatIsMissing(kind, reference) };
    if (!reference.pattern && known.size < REMEMBERED) known.set(text, named);
    for (const one of named) found.set(`${kind} ${one.parent ?? `?${one.id}`}`, { kind, ...one });
    if (found.size > MAX_DEPENDENCIES) return tooMany(kind, text);
  }
  const dependencies = [...found.values()];
  const circle = await store.circleOf(job, dependencies);
  if (circle === "none") return { kind: "bound", dependencies };
  const reason = circle === "circle"
    ? "it would wait for itself, or for a job that waits for it"
    : "it waits for so many others that nobody can tell whether one of them waits for it";
  return { kind: "circle", reason };
}

/** Whether all of these are there still. */
async function areThere(store: Store, named: readonly Named[]): Promise<boolean> {
  for (const { parent, isMet } of named) {
    if (parent === null || !isMet && !await store.byNo(parent)) return false;
  }
  return true;
}

async function find(store: Store, job: Dependant, reference: Reference): Promise<Named[] | "too-many"> {
  const { id, pattern, mayComeLater } = reference;
  if (id === job.id) return [{ id, parent: job.number, isMet: false }]; // A draft has its name only then.
  const exact = await store.byId(id);
  if (exact) {
    const isThere = exact.state !== "pending" || exact.turn !== null;
    return [{ id, parent: mayComeLater && !isThere ? null : exact.number, isMet: false }];
  }
  if (mayComeLater) return [{ id, parent: null, isMet: false }];
  if (pattern) return await matching(store, job, pattern);
  // Its parent may have another id by now, or be complete and removed.
  const earlier = (await store.dependencies(job.number)).filter((dependency) => dependency.id === id);
  return earlier.slice(0, 1).filter(({ parent }) => parent !== null);
}

/** The jobs of the same owner that match, without drafts and the job itself. */
async function matching(store: Store, job: Dependant, pattern: Pattern): Promise<Named[] | "too-many"> {
  const found: Named[] = [];
  for (let from = pattern.prefix;;) {
    const page = await store.idsFrom(from, PAGE);
    for (const { id, number } of page) {
      if (id === from && from !== pattern.prefix) continue; // The last of the page before.
      if (!id.startsWith(pattern.prefix)) return found;
      if (number === job.number || isDraft(id) || !matches(pattern, id)) continue;
      if ((await store.byNo(number))?.uid !== job.uid) continue;
      if (found.push({ id, parent: number, isMet: false }) > MAX_DEPENDENCIES) return "too-many";
    }
    const last = page.at(-1)?.id;
    if (last === undefined || page.length < PAGE) return found;
    from = last;
    await othersTurn();
  }
}

function othersTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function whatIsMissing(kind: DependencyKind, { text, pattern }: Reference): string {
  return pattern
    ? `${kind}=${text}: no job of its owner matches`
    : `${kind}=${text}: there is no such job; ${kind}=?${text} waits for one that comes later`;
}

function tooMany(kind: DependencyKind, text: string): Bound {
  return { kind: "too-many", reason: `${kind}=${text}: that are more than ${MAX_DEPENDENCIES} jobs` };
}
