/**
 * Reads by the text of /etc/subuid who may use which user ids besides their own, in a user namespace.
 * @returns For a user id, one that stands for all that the same user may have besides their own: the first of
 * the range; for a user id that is in none, the same.
 * @see subuid(5)
 */
export function standInOf(subuid: string): (uid: number) => number {
  const ranges = subuid.split("\n").map(rangeIn).filter((range) => range !== undefined);
  return (uid) => ranges.find(({ first, count }) => uid >= first && uid < first + count)?.first ?? uid;
}

/** `ann:100000:65536`; `undefined` for any other line. */
function rangeIn(line: string) {
  const [, first, count] = /^[^:]+:(\d+):(\d+)$/.exec(line.trim()) ?? [];
  return first === undefined || first === "0" ? undefined : { first: Number(first), count: Number(count) };
}
