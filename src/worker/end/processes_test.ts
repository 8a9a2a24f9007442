import assert from "node:assert/strict";
import { lives, parseStat, readProcess, signalProcess } from "./processes.ts";

const REST = "0 -1 4194560 95 0 0 0 0 0 0 0 20 0 1 0 96342 2654208 366"; // tty_nr ... starttime (22) vsize rss

const NAMES = [
  ["a plain name", "sh"],
  ["spaces", "tmux: server"],
  ["parentheses", "a) R 1 (b"],
  ["a newline", "a\nb"],
] as const;

for (const [what, name] of NAMES) {
  Deno.test(`parseStat() reads a process whose name has ${what}`, () => {
    assert.deepEqual(parseStat(`3410 (${name}) S 3404 3411 3412 ${REST}\n`), {
      pid: 3410,
      name,
      parentPid: 3404,
      groupId: 3411,
      sessionId: 3412,
      startTicks: 96342,
      isZombie: false,
    });
  });
}

const STATES = [
  ["S", 1, false],
  ["D", 1, false],
  ["T", 1, false],
  ["Z", 1, true],
  ["Z", 2, false], // the first thread has ended, another one runs
  ["X", 0, true],
] as const;

for (const [state, threads, isZombie] of STATES) {
  Deno.test(`parseStat(): state ${state} with ${threads} threads is ${isZombie ? "a" : "no"} zombie`, () => {
    const rest = REST.replace("20 0 1 0", `20 0 ${threads} 0`);
    assert.equal(parseStat(`1 (x) ${state} 0 1 1 ${rest}`)?.isZombie, isZombie);
  });
}

for (const text of ["", "12", "12 (sh", "12 (sh) S 1"]) {
  Deno.test(`parseStat() takes ${JSON.stringify(text)} for no process`, () => {
    assert.equal(parseStat(text), undefined);
  });
}

Deno.test("signalProcess() leaves alone another process that has the number", async () => {
  const sleeper = new Deno.Command("sleep", { args: ["60"] }).spawn();
  try {
    const process = readProcess(sleeper.pid);
    assert.ok(process);
    signalProcess({ ...process, startTicks: process.startTicks - 1 }, "SIGKILL");
    assert.equal(lives(process), true);
    signalProcess(process, "SIGTERM");
    assert.equal((await sleeper.status).signal, "SIGTERM");
  } finally {
    await sleeper[Symbol.asyncDispose]();
  }
});
