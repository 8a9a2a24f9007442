/** A sum for each account; of those that have none, nothing is kept. */
export class Tally {
  readonly #sums = new Map<number, number>();

  of(account: number): number {
    return this.#sums.get(account) ?? 0;
  }

  add(account: number, amount: number): void {
    const sum = this.of(account) + amount;
    if (sum === 0) this.#sums.delete(account);
    else this.#sums.set(account, sum);
  }
}
