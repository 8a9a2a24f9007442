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

/** Measures by turns, each first as often as the other, after a round that does not count. */
export async function alternate(
  rounds: number,
  filed: (round: number) => Promise<number>,
  reference: (round: number) => Promise<number>,
): Promise<Pairs> {
  await filed(-1);
  await reference(-1);
  const pairs: Pairs = { filed: [], reference: [] };
  for (let round = 0; round < rounds; round++) {
    const isFirst = round % 2 === 0;
    if (isFirst) pairs.filed.push(await filed(round));
    pairs.reference.push(await reference(round));
    if (!isFirst) pairs.filed.push(await filed(round));
  }
  return pairs;
}

/** What filed took in units of the reference, round by round. */
export function ratiosOf({ filed, reference }: Pairs): number[] {
  return filed.map((value, i) => value / (reference[i] ?? NaN));
}
