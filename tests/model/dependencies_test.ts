/**
 * Random submissions, renames, removals and retries of jobs that wait for each other, with restarts and kill -9,
 * against a model. FILED_MODEL_RUNS and FILED_MODEL_SEED are as for the calls.
 */
import assert from "node:assert/strict";
import { inspect } from "node:util";
import fc from "fast-check";
import { Filed, Place, within } from "../harness.ts";
import { started } from "../contract/expect.ts";
import { type Kind, Model, NAMES, type Step, type Wish } from "./dependants.ts";

const RUNS = Math.ceil(Number(Deno.env.get("FILED_MODEL_RUNS") ?? 200) / 5);
const SEED = Number(Deno.env.get("FILED_MODEL_SEED") ?? 1);
const STATES = ["pending", "complete", "failed"] as const;
/** What fails the write or the rename; the runtime has no name for one of them. */
const ERRORS = { ENOENT: /os error 2\)/, EDEADLK: /os error 35\)/ };
const LIMIT_MS = 20_000;

const name = fc.constantFrom(...NAMES);
const word = fc.oneof(
  { weight: 6, arbitrary: name },
  { weight: 2, arbitrary: name.map((name) => `?${name}`) },
  { weight: 2, arbitrary: fc.constantFrom("a*", "b*", "*") },
);
const wish = fc.record<Wish>({
  kind: fc.constantFrom<Kind>("after", "after", "after_any", "after_failed"),
  word,
});
/** Each kind at most once, as a header has it. */
const wishes = fc.uniqueArray(wish, { maxLength: 2, selector: ({ kind }) => kind });
const how = fc.constantFrom("write", "write", "draft");
const submit = fc.record({ step: fc.constant("submit" as const), how, name, wishes, fails: fc.boolean() });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 12, arbitrary: submit },
  { weight: 3, arbitrary: fc.record({ step: fc.constant("rename" as const), name, to: name }) },
  {
    weight: 9,
    arbitrary: fc.record({ step: fc.constantFrom("remove", "withdraw", "retry", "retry"), name }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ step: fc.constant("configure" as const), failDependants: fc.boolean() }),
  },
  { weight: 5, arbitrary: fc.constant<Step>({ step: "run" }) },
  { weight: 1, arbitrary: fc.record({ step: fc.constantFrom("restart", "crash") }) },
);

Deno.test("jobs that wait for others do what the manual says, whatever becomes of those", async () => {
  await using place = await Place.make();
  await using world = new World(place);
  const property = fc.asyncProperty(fc.array(step, { maxLength: 40, size: "max" }), async (steps) => {
    await world.empty();
    const model = new Model();
    const made: Step[] = [];
    for (const step of [...steps, { step: "run" } as const]) {
      if (!model.isPossible(step)) continue;
      made.push(step);
      await compare(world, model, step, made);
    }
  });
  await fc.assert(property, { numRuns: RUNS, seed: SEED, endOnFailure: Deno.env.has("CI") });
});

async function compare(world: World, model: Model, step: Step, made: Step[]): Promise<void> {
  const after = () =>
    `after\n${made.map((step) => inspect(step, { breakLength: Infinity, depth: 5 })).join("\n")}`;
  const state = "name" in step ? model.stateOf(step.name) : undefined;
  const expected = model.make(step);
  if (!Array.isArray(expected)) {
    await assert.rejects(world.make(step, state), ERRORS[expected], after());
  } else {
    await world.make(step, state);
    await world.comesTo(model.directories).catch(() => {});
  }
  assert.deepEqual(await world.directories(), model.directories, after());
  if (step.step === "run") assert.deepEqual(world.ran(), expected, after());
}

/** A filed that runs nothing but when it is told to, and then one job at a time. */
class World implements AsyncDisposable {
  readonly #place: Place;
  #filed: Filed | undefined;

  constructor(place: Place) {
    this.#place = place;
  }

  async empty(): Promise<void> {
    this.#filed ??= await this.#start();
    await this.#filed.configure({ max_job_count: 0, fail_dependants: false });
    for (const [state, names] of Object.entries(await this.directories())) {
      // A dependant may be on its way to failed/ for the job that was just removed.
      for (const name of names) await Deno.remove(`${this.#mount}/${state}/${name}`).catch(() => {});
    }
    await this.comesTo({ pending: [], complete: [], failed: [] }, "remove");
  }

  async make(step: Step, state: string | undefined): Promise<void> {
    const filed = this.#filed as Filed;
    const pending = `${this.#mount}/pending`;
    switch (step.step) {
      case "submit": {
        const lines = step.wishes.map(({ kind, word }) => `#filed ${kind}='${word}'\n`);
        const text = lines.join("") + (step.fails ? "false" : "true");
        if (step.how === "write") return await Deno.writeTextFile(`${pending}/${step.name}`, text);
        await Deno.writeTextFile(`${pending}/.draft`, text);
        try {
          return await Deno.rename(`${pending}/.draft`, `${pending}/${step.name}`);
        } catch (error) {
          await Deno.remove(`${pending}/.draft`);
          throw error;
        }
      }
      case "rename":
        return await Deno.rename(`${pending}/${step.name}`, `${pending}/${step.to}`);
      case "remove":
        return await Deno.remove(`${this.#mount}/${state}/${step.name}`);
      case "withdraw":
        return await Deno.rename(`${pending}/${step.name}`, `${this.#mount}/failed/${step.name}`);
      case "retry":
        return await Deno.rename(`${this.#mount}/${state}/${step.name}`, `${pending}/${step.name}`);
      case "configure":
        return await filed.configure({ fail_dependants: step.failDependants });
      case "run":
        filed.log.splice(0);
        return await filed.configure({ max_job_count: 1 });
      case "restart":
      case "crash":
        await filed.stop(step.step === "crash" ? "SIGKILL" : "SIGTERM");
        this.#filed = await this.#start();
        return;
      default:
        step satisfies never;
    }
  }

  /** Waits until the directories are like that. @param what Whether what is too much is removed. */
  async comesTo(expected: Record<string, string[]>, what: "look" | "remove" = "look"): Promise<void> {
    let isLate = false;
    await within(
      "the directories",
      async () => {
        while (!isLate && !await this.#areLike(expected, what));
      },
      () => isLate = true,
      LIMIT_MS,
    );
    await (this.#filed as Filed).configure({ max_job_count: 0 });
  }

  async #areLike(expected: Record<string, string[]>, what: "look" | "remove"): Promise<boolean> {
    const found = await this.directories();
    const running = await (this.#filed as Filed).list("active");
    if (what === "remove") {
      for (const [state, names] of Object.entries(found)) {
        for (const name of names) await Deno.remove(`${this.#mount}/${state}/${name}`).catch(() => {});
      }
    }
    return running.length === 0 && inspect(found) === inspect(expected);
  }

  async directories(): Promise<Record<(typeof STATES)[number], string[]>> {
    const [pending = [], complete = [], failed = []] = await Promise.all(
      STATES.map((state) => (this.#filed as Filed).list(state)),
    );
    return { pending, complete, failed };
  }

  /** What has run since it was last told to. */
  ran(): string[] {
    return started(this.#filed as Filed);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#filed?.[Symbol.asyncDispose]();
  }

  get #mount(): string {
    return (this.#filed as Filed).mount;
  }

  #start(): Promise<Filed> {
    return Filed.start(this.#place, { config: { max_job_count: 0, max_attempts: 1 } });
  }
}
