/** Letters and digits that can't be misread: without 0, o, 1, i, l. */
const ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz";
const BASE = BigInt(ALPHABET.length);
const SHORTEST = 4;

/**
 * Where a queue begins to count its ids, so that those of two queues differ: a job of one can then be moved
 * to the other. There are as many of the shortest ids left as are before it, at least.
 */
export function randomStart(): number {
  const [random = 0] = crypto.getRandomValues(new Uint32Array(1));
  return random % Math.floor(ALPHABET.length ** SHORTEST / 2);
}

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
