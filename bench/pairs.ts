/** Paired measurements: machines are noisy, so that a figure counts only beside one of the same moment. */

export interface Spread {
  median: number;
  low: number;
  high: number;
}

export interface Pairs {
  filed: number[];
  reference: number[];
}

/** Figures of the same rounds, by name; `first` are those of the round before, in which all was cold. */
export interface Series<Name extends string> {
  rounds: Record<Name, number[]>;
  first: Record<Name, number>;
}

export function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  return { median: quantile(sorted, 0.5), low: sorted.at(0) ?? NaN, high: sorted.at(-1) ?? NaN };
}

/** @param sorted In ascending order. @param share 0.5 is the median. */
export function quantile(sorted: readonly number[], share: number): number {
  const place = (sorted.length - 1) * share;
  const [below = NaN, above = NaN] = [sorted[Math.floor(place)], sorted[Math.ceil(place)]];
  return below + (above - below) * (place - Math.floor(place));
}

/** Measures by turns, each first as often as last, after a round that does not count, -1. */
export async function alternateAll<Name extends string>(
  rounds: number,
  measures: Record<Name, (round: number) => Promise<number>>,
): Promise<Series<Name>> {
  const names = Object.keys(measures) as Name[];
  const same = <T>(value: () => T) =>
    Object.fromEntries(names.map((name) => [name, value()])) as Record<Name, T>;
  const [first, figures] = [same(() => NaN), same(() => [] as number[])];
  for (const name of names) first[name] = await measures[name](-1);
  for (let round = 0; round < rounds; round++) {
    const order = round % 2 === 0 ? names : names.toReversed();
    for (const name of order) figures[name].push(await measures[name](round));
  }
  return { rounds: figures, first };
}

/** The same with one reference. */
export async function alternate(
  rounds: number,
  filed: (round: number) => Promise<number>,
  reference: (round: number) => Promise<number>,
): Promise<Pairs> {
  return (await alternateAll(rounds, { filed, reference })).rounds;
}

/** What filed took in units of the reference, round by round. */
export function ratiosOf({ filed, reference }: Pairs): number[] {
  return filed.map((value, i) => value / (reference[i] ?? NaN));
}
