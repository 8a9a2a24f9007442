import assert from "node:assert/strict";
import { Outbox } from "./outbox.ts";

Deno.test("an outbox sends what was posted within a moment as one, in order", () => {
  const sent: unknown[] = [];
  const moments: (() => void)[] = [];
  const outbox = new Outbox<string>(
    (messages, transfer) => sent.push([messages, transfer]),
    (act) => moments.push(act),
  );
  const [first, second] = [new ArrayBuffer(1), new ArrayBuffer(2)];
  outbox.post("a");
  outbox.post("b", [first]);
  outbox.post("c", [second]);
  assert.deepEqual([sent.length, moments.length], [0, 1]);
  moments.shift()?.();
  assert.deepEqual(sent, [[["a", "b", "c"], [first, second]]]);
  outbox.post("d");
  moments.shift()?.();
  assert.deepEqual(sent.splice(0).slice(1), [[["d"], []]]);

  outbox.post("e");
  outbox.sendAll();
  assert.deepEqual(sent, [[["e"], []]]);
  moments.shift()?.(); // There is nothing to send any more.
  assert.equal(sent.length, 1);
});
