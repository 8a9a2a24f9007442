/** Letters and digits that can't be misread: without 0, o, 1, i, l. */
const ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz";
const BASE = BigInt(ALPHABET.length);
const SHORTEST = 4;

/**
 * The `index`-th short id, counted from 0: no two have the same one. They start at 4 characters (923,521 of them)
 * and get longer when those are used up. Neighbours look unlike each other, so that nobody mistakes one for the next.
 */
export function shortId(index: number): string {
  let length = SHORTEST;
  let rest = BigInt(index);
  let size = BASE ** BigInt(length);
  while (rest >= size) {
    rest -= size;
    size *= BASE;
    length++;
  }
  // Steps through all numbers below `size` once, since the step has no factor in common with 31 ^ length.
  let mixed = (rest * 387_420_489n + 271_828n) % size; // 3 ^ 18
  let id = "";
  for (let digit = 0; digit < length; digit++) {
    id += ALPHABET[Number(mixed % BASE)];
    mixed /= BASE;
  }
  return id;
}
