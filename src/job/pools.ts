/** The pools of a queue, by name: how many slots each has. 0: it is paused. */
export type Pools = Readonly<Record<string, number>>;

/** What a job wants of pools while it runs, by name, each once. */
export type Use = readonly (readonly [pool: string, slots: number])[];

/** The slots that a run has, from 0 in each pool. */
export type Slots = readonly (readonly [pool: string, slots: readonly number[]])[];

export const NO_USE: Use = [];
/** A job hears by its environment which slots it has, so they are no more than that takes. */
export const MAX_SLOTS = 1_000;
export const MAX_POOLS = 100;
/** So many different `use` the waiting jobs of a user may have. */
export const MAX_USES = 100;

/** Why a job can't have what it wants of a pool now. */
export interface PoolObstacle {
  kind: "pool";
  pool: string;
  wants: number;
  /** How many slots the pool has. */
  size: number;
  /** `reserved`: a job that waits longer, or has a higher priority, has what is free first. */
  because: "undeclared" | "paused" | "too-small" | "full" | "reserved";
}

const NAME = /^[A-Za-z_][A-Za-z0-9_]{0,63}$/;

/** Reads `gpu:2,api`. @returns In the order of the names; `undefined`: it is no such list. */
export function parseUse(text: string): Use | undefined {
  const use = text.split(",").map((part) => {
    const [, pool, slots = "1"] = /^([^:]*)(?::(\d{1,4}))?$/.exec(part) ?? [];
    return [pool ?? "", Number(slots)] as const;
  });
  const isSound = use.every(([pool, slots]) => NAME.test(pool) && slots >= 1 && slots <= MAX_SLOTS) &&
    new Set(use.map(([pool]) => pool)).size === use.length;
  return isSound ? use.sort(([one], [other]) => one < other ? -1 : 1) : undefined;
}

/** One text for all that want the same; empty for who wants nothing. */
export function formatUse(use: Use): string {
  return use.map(([pool, slots]) => `${pool}:${slots}`).join(",");
}

/** What is wrong with pools as somebody declares them, in words. */
export function faultOfPools(pools: unknown): string | undefined {
  if (typeof pools !== "object" || pools === null || Array.isArray(pools)) {
    return `pools is ${JSON.stringify(pools)}; it takes an object, such as {"gpu": 2}`;
  }
  const all = Object.entries(pools);
  if (all.length > MAX_POOLS) return `pools: there are ${all.length}; it takes up to ${MAX_POOLS}`;
  for (const [name, size] of all) {
    if (!NAME.test(name)) {
      return `pools: ${
        JSON.stringify(name)
      } is no name; it takes letters, digits and _, up to 64, and no digit first`;
    }
    if (!Number.isInteger(size) || size < 0 || size > MAX_SLOTS) {
      return `pools: ${name} is ${JSON.stringify(size)}; it takes a whole number from 0 to ${MAX_SLOTS}`;
    }
  }
  return undefined;
}

/** What of it no job can have, in words; `undefined`: nothing. A pool that is paused may have slots later. */
export function faultOfUse(use: Use, pools: Pools): string | undefined {
  for (const [pool, slots] of use) {
    const size = sizeOf(pools, pool);
    if (size === undefined) {
      const names = Object.keys(pools);
      const known = names.length > 0 ? `the pools are ${names.join(", ")}` : "config.json declares none";
      return `use=${pool}: no such pool; ${known}`;
    }
    if (size > 0 && slots > size) return `use=${pool}:${slots}: the pool has ${size}`;
  }
  return undefined;
}

/** What pools have free, while those are chosen that start now, in the order of the queue. */
export class FreeSlots {
  readonly #pools: Pools;
  readonly #used: (pool: string) => number;
  readonly #taken = new Map<string, number>();
  readonly #reserved = new Set<string>();

  /** @param used How many slots of a pool runs have. They may be more than it has: it was made smaller. */
  constructor(pools: Pools, used: (pool: string) => number) {
    this.#pools = pools;
    this.#used = used;
  }

  /** What keeps a job from having all that it wants: it gets all, or nothing. */
  obstacles(use: Use): PoolObstacle[] {
    const found: PoolObstacle[] = [];
    for (const [pool, wants] of use) {
      const size = sizeOf(this.#pools, pool);
      const because = this.#because(pool, wants, size);
      if (because) found.push({ kind: "pool", pool, wants, size: size ?? 0, because });
    }
    return found;
  }

  /**
   * Whether a search need not look at jobs that want this: none of them can start, nor has anything to reserve.
   * @param all What all those want that wait. Where nobody wants several pools, one of which all slots are taken
   * needs no reservation: nobody else has what they could take instead.
   */
  isClosed(use: Use, all: "one-pool-each" | "any"): boolean {
    return use.some(([pool, wants]) => {
      const size = sizeOf(this.#pools, pool) ?? 0;
      return wants > size || this.#reserved.has(pool) ||
        all === "one-pool-each" && this.#free(pool, size) <= 0;
    });
  }

  take(use: Use): void {
    for (const [pool, slots] of use) this.#taken.set(pool, (this.#taken.get(pool) ?? 0) + slots);
  }

  /**
   * A job that nothing else keeps has these pools first: what gets free is kept for it, so that many who want
   * few slots don't starve one who wants more.
   */
  reserve(use: Use): void {
    for (const [pool] of use) this.#reserved.add(pool);
  }

  #because(pool: string, wants: number, size: number | undefined): PoolObstacle["because"] | undefined {
    if (size === undefined) return "undeclared";
    if (size === 0) return "paused";
    if (wants > size) return "too-small";
    if (this.#reserved.has(pool)) return "reserved";
    return wants > this.#free(pool, size) ? "full" : undefined;
  }

  #free(pool: string, size: number): number {
    return size - this.#used(pool) - (this.#taken.get(pool) ?? 0);
  }
}

/** The environment of a run: `FILED_POOL_gpu=0,1`. */
export function poolVariables(slots: Slots): [name: string, value: string][] {
  return slots.map(([pool, numbers]) => [`FILED_POOL_${pool}`, numbers.join(",")]);
}

/** `undefined`: there is no such pool. Names are anybody's, and an object has some that nobody gave it. */
function sizeOf(pools: Pools, name: string): number | undefined {
  return Object.hasOwn(pools, name) ? pools[name] : undefined;
}
