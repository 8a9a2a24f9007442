/**
 * The model: all that a family's jobs may be, given what its client did and heard. What the scheduler does meanwhile may
 * have happened or not, and so may an operation that the daemon died in. If nothing is left, a promise was broken.
 */
import { isDraft } from "../../src/job/id.ts";
import { moveBetween } from "../../src/job/moves.ts";
import type { State } from "../../src/job/state.ts";
import { partOf, succeeds } from "./commands.ts";
import { familyOf, idsOf, type JobPath, type Operation, type Step } from "./operations.ts";

/** A job. */
export interface Cell {
  state: State;
  /** Of its command; `null`: the file is empty, and never runs. */
  version: string | null;
  /** A crash found it written and not closed: it waits for a word that it is whole. */
  isKept: boolean;
}

/** The jobs of a family by id. */
export type World = Readonly<Record<string, Cell>>;

export type Worlds = readonly World[];

/** Before anything was done. */
export const NOTHING: Worlds = [{}];

/** What can be after an operation, the scheduler's doings before it counted. */
export function after(worlds: Worlds, { step, outcome }: Operation): Worlds {
  const before = settled(worlds);
  switch (outcome.kind) {
    case "done":
      return distinct(before.flatMap((world) => effects(world, step)));
    case "refused":
      return before.filter((world) => mayRefuse(world, step, outcome.errno));
    case "unknown":
      return during(before, step);
    default:
      return outcome satisfies never;
  }
}

/** What can be while an operation is under way: it happened, or did not, or in part. */
export function during(worlds: Worlds, step: Step): Worlds {
  return distinct(
    settled(worlds).flatMap((world) => [world, ...parts(world, step), ...effects(world, step)]),
  );
}

/** With all that the scheduler may have done. */
export function settled(worlds: Worlds): Worlds {
  return distinct(worlds.flatMap((world) => {
    let made: World[] = [world];
    for (const [id, cell] of Object.entries(world)) {
      made = made.flatMap((world) => futures(id, cell).map((cell) => ({ ...world, [id]: cell })));
    }
    return made;
  }));
}

/** Those that show these jobs, and no others of the family. */
export function matching(worlds: Worlds, family: string, jobs: ReadonlyMap<string, Cell>): Worlds {
  const key = (cell: Cell | undefined) => cell && `${cell.state} ${cell.version} ${cell.isKept}`;
  return worlds.filter((world) => idsOf(family).every((id) => key(world[id]) === key(jobs.get(id))));
}

/** The versions whose attempts a move may count anew: by a retry, or since another job's attempts are theirs then. */
export function restarted(worlds: Worlds, { step, outcome }: Operation): string[] {
  if (step.kind !== "rename" || step.to.state !== "pending" || outcome.kind === "refused") return [];
  return [
    ...new Set(
      settled(worlds).flatMap((world) => {
        const isRewrite = step.from.state === "pending" && at(world, step.to) !== undefined;
        return step.from.state !== "pending" || isRewrite ? at(world, step.from)?.version ?? [] : [];
      }),
    ),
  ];
}

function futures(id: string, cell: Cell): Cell[] {
  const { state, version, isKept } = cell;
  if (version === null || isKept || isDraft(id) || state === "complete" || state === "failed") return [cell];
  const states: State[] = ["pending", "active", "failed"];
  if (succeeds(version)) states.push("complete");
  return states.map((state) => ({ state, version, isKept }));
}

/** The world after a step, or none if the step is impossible in it. */
function effects(world: World, step: Step): World[] {
  switch (step.kind) {
    case "write": {
      const cell = world[step.id];
      if (cell && (cell.state !== "pending" || step.how === "temporary")) return [];
      return [{ ...world, [step.id]: { state: "pending", version: step.version, isKept: false } }];
    }
    case "rename": {
      const { from, to } = step;
      const cell = at(world, from);
      const move = moveBetween(from.state, to.state);
      if (!cell || move === "busy" || move === "forbidden" || isTaken(world, from, to)) return [];
      return [{ ...without(world, from.id), [to.id]: { ...cell, state: to.state, isKept: false } }];
    }
    case "remove":
      return at(world, step.at) ? [without(world, step.at.id)] : [];
    case "find":
      return at(world, step.at) ? [world] : [];
    case "configure":
      return [world];
    default:
      return step satisfies never;
  }
}

/** What a step that was cut short may leave, besides nothing and all of it. */
function parts(world: World, step: Step): World[] {
  if (step.kind !== "write") return [];
  const { id, version, how } = step;
  const cell = world[id];
  // A shell closes a copy of its descriptor before it writes: by then the file is truncated.
  const isEmptied = cell === undefined ||
    cell.state === "pending" && (cell.version === null || how === "shell");
  if (!isEmptied) return [];
  // The first write goes through. If nothing else was ever closed, it is kept; a draft never runs anyway.
  const written = how === "pieces" ? partOf(version) : version;
  const kept: Cell = { state: "pending", version: written, isKept: !isDraft(id) };
  return [{ ...world, [id]: { ...kept, version: null, isKept: false } }, { ...world, [id]: kept }];
}

function mayRefuse(world: World, step: Step, errno: string): boolean {
  switch (step.kind) {
    case "write":
      return errno === "EEXIST" && effects(world, step).length === 0;
    case "rename": {
      const { from, to } = step;
      if (errno === "ENOENT") return !at(world, from);
      if (!at(world, from)) return false;
      return errno === "EBUSY" && moveBetween(from.state, to.state) === "busy" ||
        errno === "EEXIST" && isTaken(world, from, to);
    }
    case "remove":
      return errno === "ENOENT" && !at(world, step.at);
    default:
      return false;
  }
}

/** Whether a job that a rename does not replace has the new id. */
function isTaken(world: World, from: JobPath, to: JobPath): boolean {
  const other = from.id === to.id ? undefined : world[to.id];
  return other !== undefined && (from.state !== to.state || other.state !== to.state);
}

function at(world: World, { state, id }: JobPath): Cell | undefined {
  const cell = world[id];
  return cell?.state === state ? cell : undefined;
}

function without(world: World, id: string): World {
  return Object.fromEntries(Object.entries(world).filter(([other]) => other !== id));
}

function distinct(worlds: Worlds): Worlds {
  const key = (world: World) => JSON.stringify(Object.entries(world).sort(([a], [b]) => a < b ? -1 : 1));
  return [...new Map(worlds.map((world) => [key(world), world])).values()];
}

/** The jobs of one family among all. */
export function ofFamily(jobs: ReadonlyMap<string, Cell>, family: string): Map<string, Cell> {
  return new Map([...jobs].filter(([id]) => familyOf(id) === family));
}
