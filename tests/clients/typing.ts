/**
 * A shell's words to run a program on a terminal; each time it shows the first text of a step, the second is typed, or run
 * as a shell command if it begins with `!`. What the terminal showed is not kept.
 */
export function typing(steps: [shows: string, keys: string][], program: string): string {
  const words = steps.flat().map((text) => `"${text.replaceAll(/[\\"]/g, "\\$&")}"`);
  return `python3 "$CLIENTS/type.py" ${words.join(" ")} -- ${program}`;
}
