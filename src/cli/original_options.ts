/**
 * The sandbox's options of the filed that this one is modelled on, a Go program, and what says the same here.
 * Its rules are those of go-landlock, whose read-only and read-write rules all allow to execute too; ours
 * name that by itself.
 */
const OURS: Record<string, readonly string[]> = {
  ro: ["--exec"],
  rof: ["--exec"],
  rw: ["--rw", "--exec"],
  rwf: ["--rw", "--exec"],
};
/** Go's flags take a value as the next argument, or after `=`. */
const OPTION = /^-(rof?|rwf?)(?:=(.*))?$/s;

/**
 * Translates a command line of the original, which is not run: `-ro` would allow more than `--ro` does.
 * @returns The line to write instead, for a shell; `undefined` if it has none of the original's options.
 */
export function translateOriginal(args: readonly string[]): string | undefined {
  const end = args.indexOf("--");
  const options = end < 0 ? args : args.slice(0, end);
  if (!options.some((arg) => OPTION.test(arg))) return undefined;
  const words = options.includes("--sandbox") ? ["filed"] : ["filed", "--sandbox"];
  const rest = [...args];
  for (let arg = rest.shift(); arg !== undefined; arg = rest.shift()) {
    if (arg === "--") {
      words.push(arg, ...rest);
      break;
    }
    const [, name, given] = OPTION.exec(arg) ?? [];
    const ours = name === undefined ? undefined : OURS[name];
    if (!ours) {
      words.push(arg);
      continue;
    }
    const path = given ?? rest.shift() ?? "PATH";
    for (const option of ours) words.push(option, path);
  }
  return words.map(quoteForShell).join(" ");
}

function quoteForShell(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
