import assert from "node:assert/strict";
import { ABSENT_MS, AbsentSettings } from "./absent_settings.ts";

const REMOVER = { uid: 1_001, pid: 4_711 };
const UNKNOWN = { uid: 1_001, pid: 0 };

/** Who looks when, after who has removed the settings; and whether they are missing. */
const CASES: [string, typeof REMOVER, typeof REMOVER, number, boolean][] = [
  ["who removed them misses them", REMOVER, REMOVER, 0, true],
  ["for a moment", REMOVER, REMOVER, ABSENT_MS - 1, true],
  ["and no longer", REMOVER, REMOVER, ABSENT_MS, false],
  ["another process of the user does not", REMOVER, { ...REMOVER, pid: 4_712 }, 0, false],
  ["nor another user's with the same number", REMOVER, { ...REMOVER, uid: 0 }, 0, false],
  ["nor one that can't be told from others", REMOVER, UNKNOWN, 0, false],
  ["nor does that when it removed them", UNKNOWN, UNKNOWN, 0, false],
];
for (const [name, remover, looker, atMs, isMissing] of CASES) {
  Deno.test(`settings that are removed: ${name}`, () => {
    let now = 0;
    const absent = new AbsentSettings(() => now);
    assert.equal(absent.add(remover), remover.pid !== 0);
    now = atMs;
    assert.equal(absent.has(looker), isMissing);
    absent.delete(remover);
    assert.equal(absent.has(looker), false);
  });
}
