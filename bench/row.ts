/** The lines of the table. */
import { type Pairs, ratiosOf, type Spread, spreadOf } from "./pairs.ts";

/**
 * Of the ratio to the reference, or of the figure itself where there is none. `later` is where it should go
 * from there. A row without a target is there to be read.
 */
export type Target = ({ atMost: number } | { atLeast: number }) & { later?: number };

export interface Row {
  what: string;
  filed: string;
  reference: string;
  ratio: string;
  target: string;
  verdict: "met" | "missed" | "";
}

/** A row that compares with a reference. */
export function compare(
  what: string,
  unit: string,
  against: string,
  pairs: Pairs,
  target?: Target,
): Row {
  const ratio = spreadOf(ratiosOf(pairs));
  return {
    what,
    filed: `${format(spreadOf(pairs.filed).median)} ${unit}`,
    reference: `${against}: ${format(spreadOf(pairs.reference).median)} ${unit}`,
    ratio: `${format(ratio.median)} x (${format(ratio.low)} to ${format(ratio.high)})`,
    target: limitOf(target, "x"),
    verdict: verdictOf(ratio.median, target),
  };
}

/** A row that stands for itself. */
export function measured(what: string, unit: string, values: readonly number[], target?: Target): Row {
  const { median, low, high }: Spread = spreadOf(values);
  const spread = values.length > 1 ? ` (${format(low)} to ${format(high)})` : "";
  return {
    what,
    filed: `${format(median)} ${unit}${spread}`,
    reference: "",
    ratio: "",
    target: limitOf(target, unit),
    verdict: verdictOf(median, target),
  };
}

/** Says in a row how far filed is from the floor too, where that could be mounted. */
export function besideFloor(row: Row, unit: string, filed: readonly number[], floor: readonly number[]): Row {
  if (floor.some(Number.isNaN)) return row;
  const ratio = spreadOf(ratiosOf({ filed: [...filed], reference: [...floor] })).median;
  const figure = `floor: ${format(spreadOf(floor).median)} ${unit} (${format(ratio)} x)`;
  return { ...row, reference: `${row.reference}, ${figure}` };
}

function verdictOf(value: number, target: Target | undefined): Row["verdict"] {
  if (!target) return "";
  return ("atMost" in target ? value <= target.atMost : value >= target.atLeast) ? "met" : "missed";
}

function limitOf(target: Target | undefined, unit: string): string {
  if (!target) return "";
  const limit = "atMost" in target ? `at most ${target.atMost}` : `at least ${target.atLeast}`;
  return `${limit} ${unit}${target.later === undefined ? "" : `, later ${target.later}`}`;
}

/** Three digits that count. */
export function format(value: number): string {
  if (!Number.isFinite(value)) return "-";
  if (Math.abs(value) >= 100) return String(Math.round(value));
  return String(Number(value.toPrecision(3)));
}

const HEAD = ["what", "filed", "reference", "filed / reference", "target", ""] as const;

/** The rows in Markdown, aligned. */
export function tableOf(rows: readonly Row[]): string {
  const cells = rows.map((row) => [row.what, row.filed, row.reference, row.ratio, row.target, row.verdict]);
  return alignedTable([...HEAD], cells);
}

export function alignedTable(head: string[], cells: string[][]): string {
  const widths = head.map((title, i) =>
    Math.max(title.length, ...cells.map((row) => row[i]?.length ?? 0), 3)
  );
  const line = (row: string[]) => `| ${row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(" | ")} |`;
  return [line(head), line(widths.map((width) => "-".repeat(width))), ...cells.map(line)].join("\n");
}
