/** The manual as people see it, and copy from it. */
import { ok, sh } from "./harness.ts";

const TREE = new URL("..", import.meta.url).pathname;
const SOURCE = await Deno.readTextFile(`${TREE}man/filed.1.scd`);

/** The page as man(1) shows it on a wide terminal. */
export function shownManual(): Promise<string> {
  const show = 'scdoc < "$T/man/filed.1.scd" | awk -f "$T/man/tidy.awk" | man -l - | col -bx';
  return ok(sh(`set -e; ${show}`, { T: TREE, MANWIDTH: "160", MANPAGER: "cat", LC_ALL: "C.UTF-8" }));
}

/**
 * The examples in its source, as they are meant to be shown: a backslash stands before one that is; man(1)
 * squeezes lines.
 */
export function examplesInSource(): string[] {
  const blocks = [...SOURCE.matchAll(/^\t*```\n(.*?)^\t*```$/gms)].map(([, text = ""]) => text.trimEnd());
  return blocks.map((text) => text.replaceAll(/\\(.)/g, "$1").replaceAll(/\n{3,}/g, "\n\n"));
}

/**
 * An example as a page shows it, without the margin of the page.
 * @returns undefined, if the page does not show it, each line of it below the one before.
 */
export function shownExample(page: string, example: string): string | undefined {
  const lines = example.split("\n").map((line) => line.trimEnd());
  const shown = page.split("\n").map((line) => line.trimEnd());
  for (const start of shown.keys()) {
    const margin = (shown[start] ?? "").length - (lines[0] ?? "").length;
    const found = shown.slice(start, start + lines.length).map((line) => line.slice(Math.max(margin, 0)));
    if (margin >= 0 && found.join("\n") === lines.join("\n")) return found.join("\n");
  }
}
