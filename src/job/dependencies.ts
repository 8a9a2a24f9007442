import { type JobNo, MAX_ID_BYTES } from "./id.ts";
import { parsePattern, type Pattern } from "./pattern.ts";
import type { State } from "./state.ts";

/** What a job can wait for of another: that it is complete; that it is over, either way; that it has failed. */
export const DEPENDENCY_KINDS = ["after", "after_any", "after_failed"] as const;
export type DependencyKind = typeof DEPENDENCY_KINDS[number];

/** Other jobs, as a header names them. */
export interface Reference {
  /** As it is written. */
  text: string;
  /** The id that it is, if a job has that. */
  id: string;
  /** What else it can be: the jobs that match. */
  pattern: Pattern | undefined;
  /** Nobody need have the id yet: `?build`. */
  mayComeLater: boolean;
}

/** That a job waits for another one. */
export interface Dependency {
  kind: DependencyKind;
  /** The id that the other one had when it was named. */
  id: string;
  /** `null`: no job has the id yet. */
  parent: JobNo | null;
  /** It waits no more. */
  isMet: boolean;
}

/** A job can wait for no more others. */
export const MAX_DEPENDENCIES = 10_000;

/**
 * What `after=` names, separated by commas. A backslash takes the meaning of the character behind it.
 * @returns Each as it is written; `undefined`: it can't be that.
 */
export function parseReferences(value: string): string[] | undefined {
  const texts = [""];
  const characters = [...value];
  for (let at = 0; at < characters.length; at++) {
    const character = characters[at] ?? "";
    if (character === ",") texts.push("");
    else texts[texts.length - 1] += character === "\\" ? character + (characters[++at] ?? "") : character;
  }
  return texts.every(isReference) ? texts : undefined;
}

function isReference(text: string): boolean {
  const { id, pattern, mayComeLater } = referenceOf(text);
  const isId = id !== "" && !id.includes("/") && new TextEncoder().encode(id).length <= MAX_ID_BYTES;
  return isId && !(mayComeLater && pattern !== undefined);
}

export function referenceOf(text: string): Reference {
  const mayComeLater = text.startsWith("?");
  const { literal, pattern } = parsePattern(mayComeLater ? text.slice(1) : text);
  return { text, id: literal, pattern, mayComeLater };
}

/** What a header says of that, each as it is written. */
export interface References {
  after?: string[];
  afterAny?: string[];
  afterFailed?: string[];
}

/** Under which name each kind stands there. */
export const REFERENCES_OF = {
  after: "after",
  after_any: "afterAny",
  after_failed: "afterFailed",
} as const satisfies Record<DependencyKind, keyof References>;

export function referencesIn(asks: References): { kind: DependencyKind; text: string }[] {
  return DEPENDENCY_KINDS.flatMap((kind) =>
    (asks[REFERENCES_OF[kind]] ?? []).map((text) => ({ kind, text }))
  );
}

/** Whether two headers name others by the same words. */
export function nameTheSame(one: References, other: References): boolean {
  return JSON.stringify(referencesIn(one)) === JSON.stringify(referencesIn(other));
}

/** What a header says of that, without the rest. */
export function referencesAlone({ after, afterAny, afterFailed }: References): References {
  return {
    ...after ? { after } : {},
    ...afterAny ? { afterAny } : {},
    ...afterFailed ? { afterFailed } : {},
  };
}

export function hasReferences({ after, afterAny, afterFailed }: References): boolean {
  return after !== undefined || afterAny !== undefined || afterFailed !== undefined;
}

/**
 * How a job stands for those that wait for it: its state, or that it is removed and was not complete; `not-run`:
 * it is failed, since it could not come to what it waited for.
 */
export type Fate = State | "removed" | "not-run";

/** What comes of a dependency: it stays, it is met, or it never will be, and the job goes there without a run. */
export type Verdict = "waits" | "met" | "complete" | "failed";

const VERDICTS: Record<DependencyKind, Record<Fate, Verdict>> = {
  after: {
    ...{ pending: "waits", active: "waits", complete: "met", failed: "waits" },
    ...{ removed: "failed", "not-run": "failed" },
  },
  after_any: {
    ...{ pending: "waits", active: "waits", complete: "met", failed: "met" },
    ...{ removed: "failed", "not-run": "met" },
  },
  after_failed: {
    ...{ pending: "waits", active: "waits", complete: "complete", failed: "met" },
    ...{ removed: "failed", "not-run": "met" },
  },
};

/** @param failDependants Whether who waits for a failed job fails with it. */
export function verdictOf(kind: DependencyKind, fate: Fate, failDependants: boolean): Verdict {
  return failDependants && kind === "after" && fate === "failed" ? "failed" : VERDICTS[kind][fate];
}

const WORDS: Record<Fate, string> = {
  pending: "waits",
  active: "runs",
  complete: "completed",
  failed: "failed",
  removed: "was removed",
  "not-run": "did not run",
};

/** Why a job does not run that waited for another, in words. */
export function describeNeverMet({ kind, id }: { kind: DependencyKind; id: string }, fate: Fate): string {
  return fate === "complete" ? `${id} ${WORDS[fate]}` : `${kind}=${id}, which ${WORDS[fate]}`;
}
