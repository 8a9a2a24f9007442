/** A part of a pattern: characters as they are, one of some, any one, or any number of any. */
type Part =
  | { kind: "character"; character: string }
  | { kind: "one-of"; ranges: readonly [from: string, to: string][]; isNegated: boolean }
  | { kind: "any" }
  | { kind: "any-number" };

/** A pattern of ids, as of a shell: `*`, `?`, `[a-z]`, `[!a-z]`. */
export interface Pattern {
  readonly parts: readonly Part[];
  /** What each id begins with that matches. */
  readonly prefix: string;
}

/** What a text is, in which a backslash takes the meaning of the character behind it. */
export interface Parsed {
  /** The text as it is without those backslashes, taken for an id. */
  literal: string;
  /** `undefined`: nothing in it stands for anything else. */
  pattern: Pattern | undefined;
}

export function parsePattern(text: string): Parsed {
  const characters = [...text];
  const parts: Part[] = [];
  let literal = "";
  for (let at = 0; at < characters.length; at++) {
    const character = characters[at] ?? "";
    const set = character === "[" ? parseSet(characters, at) : undefined;
    if (set) {
      parts.push(set.part);
      literal += characters.slice(at, set.end).join("");
      at = set.end - 1;
      continue;
    }
    const isEscape = character === "\\" && at + 1 < characters.length;
    const meant = isEscape ? characters[++at] ?? "" : character;
    literal += meant;
    if (!isEscape && meant === "*") parts.push({ kind: "any-number" });
    else if (!isEscape && meant === "?") parts.push({ kind: "any" });
    else parts.push({ kind: "character", character: meant });
  }
  const isPlain = parts.every(({ kind }) => kind === "character");
  return { literal, pattern: isPlain ? undefined : { parts, prefix: prefixOf(parts) } };
}

/** A set that begins at a bracket; `undefined`: that bracket is one, as in sh, since no other closes it. */
function parseSet(characters: readonly string[], start: number): { part: Part; end: number } | undefined {
  const isNegated = characters[start + 1] === "!" || characters[start + 1] === "^";
  const first = start + (isNegated ? 2 : 1);
  const close = characters.indexOf("]", first + 1); // One that comes first is of the set.
  if (close < 0) return undefined;
  const ranges: [string, string][] = [];
  for (let at = first; at < close; at++) {
    const from = characters[at] ?? "";
    const isRange = characters[at + 1] === "-" && at + 2 < close;
    ranges.push([from, isRange ? characters[at + 2] ?? "" : from]);
    if (isRange) at += 2;
  }
  return { part: { kind: "one-of", ranges, isNegated }, end: close + 1 };
}

function prefixOf(parts: readonly Part[]): string {
  let prefix = "";
  for (const part of parts) {
    if (part.kind !== "character") break;
    prefix += part.character;
  }
  return prefix;
}

/** In time that grows with the two lengths, whatever the pattern: what does not fit goes on behind the last `*` alone. */
export function matches({ parts }: Pattern, id: string): boolean {
  const characters = [...id];
  let [part, at] = [0, 0];
  let star: { part: number; at: number } | undefined;
  while (at < characters.length) {
    const next = parts[part];
    if (next?.kind === "any-number") star = { part: part++, at };
    else if (next && fits(next, characters[at] ?? "")) [part, at] = [part + 1, at + 1];
    else if (star) [part, at] = [star.part + 1, ++star.at];
    else return false;
  }
  return parts.slice(part).every(({ kind }) => kind === "any-number");
}

function fits(part: Part, character: string): boolean {
  if (part.kind === "character") return part.character === character;
  if (part.kind !== "one-of") return part.kind === "any";
  const code = codeOf(character);
  const isIn = part.ranges.some(([from, to]) => codeOf(from) <= code && code <= codeOf(to));
  return isIn !== part.isNegated;
}

function codeOf(character: string): number {
  return character.codePointAt(0) ?? -1;
}
