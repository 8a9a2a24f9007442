import assert from "node:assert/strict";
import { ErrnoError } from "../../sys/errno.ts";
import { Census } from "./census.ts";

Deno.test("all who ask while processes are listed share the next list, which begins after that", async () => {
  const lists: PromiseWithResolvers<[]>[] = [];
  const census = new Census(() => {
    const list = Promise.withResolvers<[]>();
    lists.push(list);
    return list.promise;
  });
  const first = census.take();
  await Promise.resolve();
  assert.equal(lists.length, 1);
  const later = Array.from({ length: 15 }, () => census.take());
  await Promise.resolve();
  assert.equal(lists.length, 1);
  lists[0]?.resolve([]);
  await first;
  while (lists.length < 2) await Promise.resolve();
  lists[1]?.resolve([]);
  await Promise.all(later);
  assert.equal(lists.length, 2);
});

Deno.test("a list that a shortage cut short is made anew", async () => {
  let tries = 0;
  const census = new Census(() => {
    if (++tries === 1) throw new ErrnoError("EMFILE");
    return Promise.resolve([]);
  });
  assert.deepEqual(await census.take(), []);
  assert.equal(tries, 2);
});
