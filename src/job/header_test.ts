import assert from "node:assert/strict";
import { type Asks, parseHeader } from "./header.ts";

const NOW = new Date("2026-11-26T17:00:00").getTime();
const HOUR = 3_600_000;
const bytes = (text: string) => new TextEncoder().encode(text);
const whole = (text: string) => parseHeader(bytes(text), "whole", NOW);
const local = (time: string) => new Date(time).getTime();

/** A directive, and what the job asks for by it. */
const RIGHT: [string, Asks][] = [
  ["timeout_sec=90", { timeoutSec: 90 }],
  ["timeout_sec=0", { timeoutSec: 0 }],
  ["timeout_sec=1h30m", { timeoutSec: 5_400 }],
  ["timeout_sec=1.5H", { timeoutSec: 5_400 }],
  ["max_attempts=1", { maxAttempts: 1 }],
  ["backoff_base=0.25", { backoffBase: 0.25 }],
  ["backoff_base=1m", { backoffBase: 60 }],
  ["backoff_mult=1", { backoffMult: 1 }],
  ["max_log_bytes=64k", { maxLogBytes: 65_536 }],
  ["max_memory_mb=2g", { maxMemoryMb: 2_048 }],
  ["max_memory_mb=512", { maxMemoryMb: 512 }],
  ["max_cpu_sec=1h", { maxCpuSec: 3_600 }],
  ["max_file_mb=1GiB", { maxFileMb: 1_024 }],
  ["max_open_files=64", { maxOpenFiles: 64 }],
  ["nice=19", { nice: 19 }],
  ["start=+90m", { startAt: NOW + 1.5 * HOUR }],
  ["start=18:00", { startAt: NOW + HOUR }],
  ["start=16:30:15", { startAt: local("2026-11-27T16:30:15") }],
  ["start=17:00", { startAt: local("2026-11-27T17:00:00") }],
  ["start=2026-12-24T18:00", { startAt: local("2026-12-24T18:00:00") }],
  ["start=2026-12-24", { startAt: local("2026-12-24T00:00:00") }],
  ["start=2026-12-24T18:00Z", { startAt: Date.UTC(2026, 11, 24, 18) }],
  ["start=2026-12-24T18:00+02:00", { startAt: Date.UTC(2026, 11, 24, 16) }],
  ["deadline=@1798000000", { deadlineAt: 1_798_000_000_000 }],
  ["priority=-100", { priority: -100 }],
  ["priority=+7", { priority: 7 }],
  ["use=gpu:2,api", { use: [["api", 1], ["gpu", 2]] }],
  ["lock=deploy", { lock: { name: "deploy" } }],
  ["lock='the site',coalesce", { lock: { name: "the site", coalesce: true } }],
  ["final=2", { finalStatuses: [[2, 2]] }],
  ["final=2,64-78", { finalStatuses: [[2, 2], [64, 78]] }],
  ["warn_sec=1m", { warnSec: 60 }],
  ["cwd=/srv", { cwd: "/srv" }],
  ["cwd='/srv/a b'", { cwd: "/srv/a b" }],
  ['cwd="/srv/\\"x\\""', { cwd: '/srv/"x"' }],
  ["cwd=/srv/a\\ b nice=3", { cwd: "/srv/a b", nice: 3 }],
  ["after=build", { after: ["build"] }],
  ["after=build,test after_any='a b' after_failed=?x", {
    after: ["build", "test"],
    afterAny: ["a b"],
    afterFailed: ["?x"],
  }],
  ["after='batch-*,a\\,b'", { after: ["batch-*", "a\\,b"] }],
  ["", {}],
];
for (const [directive, asks] of RIGHT) {
  Deno.test(`a header with ${JSON.stringify(directive)} asks for ${JSON.stringify(asks)}`, () => {
    const header = whole(`#filed ${directive}\nmake\n`);
    assert.deepEqual(header, directive === "" ? undefined : { kind: "asks", asks, isAlone: false });
  });
}

/** A directive, and what is wrong with it. */
const WRONG = [
  ["timeuot=3", "line 1: timeuot: no such key; did you mean timeout_sec?"],
  ["timeout=3", "line 1: timeout: no such key; did you mean timeout_sec?"],
  ["Nice=3", "line 1: Nice: no such key; did you mean nice?"],
  ["x=1", /^line 1: x: no such key; the keys are timeout_sec, /],
  [`${"nice".repeat(20)}=1`, /no such key; the keys are timeout_sec, /],
  [`cwd=/${"x".repeat(16_384)}`, "line 1: it is longer than 16384 bytes"],
  [`final=1${",1".repeat(255)}`, /exit statuses/],
  ["nice", "line 1: nice: it takes a value, as in nice=1"],
  [
    "after=",
    "line 1: after=: it takes ids separated by commas, such as build,test; also batch-* (those there are) and ?later",
  ],
  ["nice=20", "line 1: nice=20: it takes a whole number from 0 to 19"],
  ["nice=1.5", "line 1: nice=1.5: it takes a whole number from 0 to 19"],
  ["nice=", "line 1: nice=: it takes a whole number from 0 to 19"],
  ["nice=-1", "line 1: nice=-1: it takes a whole number from 0 to 19"],
  ["nice=2 nice=3", "line 1: nice: it is there twice"],
  ["nice='2", "line 1: a quote is not closed"],
  ["timeout_sec=1m1h", /^line 1: timeout_sec=1m1h: it takes a whole number .* such as 1h30m\)$/],
  ["timeout_sec=1.5", /^line 1: timeout_sec=1.5: it takes a whole number/],
  ["max_memory_mb=1k", /^line 1: max_memory_mb=1k: it takes a whole number .*2g\)$/],
  ["max_attempts=0", /^line 1: max_attempts=0: it takes a whole number from 1/],
  ["max_job_count=4", /^line 1: max_job_count: no such key; the keys are timeout_sec, /],
  ["start=tomorrow", /^line 1: start=tomorrow: it takes a time: /],
  ["start=25:00", /it takes a time/],
  ["start=2026-02-30", /it takes a time/],
  ["start=+", /it takes a time/],
  ["deadline=12", /it takes a time/],
  ["priority=101", "line 1: priority=101: it takes a whole number from -100 to 100"],
  ["priority=high", "line 1: priority=high: it takes a whole number from -100 to 100"],
  [
    "use=gpu:0",
    "line 1: use=gpu:0: it takes pools, each once, with how many of its slots (1 to 1000), such as gpu:2,api",
  ],
  ["use=gpu,gpu", /it takes pools, each once/],
  ["lock=", "line 1: lock=: it takes a name without a comma, up to 255 bytes, and behind a comma coalesce"],
  ["lock=a,b", /it takes a name without a comma/],
  ["final=0", "line 1: final=0: it takes exit statuses from 1 to 255, such as 2,64-78"],
  ["final=78-64", /exit statuses/],
  ["final=2,,3", /exit statuses/],
  ["final=256", /exit statuses/],
  ["warn_sec=0", /a whole number from 1 on/],
  ["cwd=srv", "line 1: cwd=srv: it takes the path of a directory, from / on"],
  ["stdin=", "line 1: stdin=: it takes the line that ends the command"],
  ["stdin=END", "stdin=END: no line is END, behind which the data is"],
  ["nice=2 # why", "line 1: #: no such key"],
] as const;
for (const [directive, reason] of WRONG) {
  Deno.test(`a header with ${JSON.stringify(directive).slice(0, 60)} is refused`, () => {
    const header = whole(`#filed ${directive}\nmake\n`);
    assert.equal(header?.kind, "refused");
    if (header?.kind !== "refused") return;
    if (typeof reason === "string") assert.ok(header.reason.startsWith(reason), header.reason);
    else assert.match(header.reason, reason);
  });
}

/** Where a directive is one. */
const NICE = { kind: "asks", asks: { nice: 3 }, isAlone: false };
const CASES: [string, string, unknown][] = [
  ["behind #!", "#!/bin/sh\n#filed nice=3\nmake", NICE],
  ["among comments and empty lines", "\n# x\n \t\n#filed nice=3\nmake", NICE],
  ["on two lines", "#filed nice=3\n#filed priority=2\nmake", {
    kind: "asks",
    asks: { nice: 3, priority: 2 },
    isAlone: false,
  }],
  ["indented", "  #filed\tnice=3\nmake", NICE],
  ["behind // in a script", "#!/usr/bin/env node\n//filed nice=3\nf()", NICE],
  ["behind -- in a script", "#!/usr/bin/lua\n-- x\n--filed nice=3\nf()", NICE],
  ["behind // in text for sh", "//filed nice=3\nmake", undefined],
  ["in the #! line", "#!/bin/sh #filed nice=3\nmake", undefined],
  ["behind the first other line", "make\n#filed nice=3\n", undefined],
  ["behind a comment and another line", "# x\nmake\n#filed nice=3\n", undefined],
  ["with a space before the word", "# filed nice=3\nmake", undefined],
  ["with another word", "#filedx nice=3\nmake", undefined],
  ["with no line end", "#filed nice=3", { ...NICE, isAlone: true }],
  ["alone", "#!/bin/sh\n#filed nice=3\n\n# x\n", { ...NICE, isAlone: true }],
  ["in an empty file", "", undefined],
];
for (const [where, text, expected] of CASES) {
  Deno.test(`a directive ${where} is read as one, or not`, () => assert.deepEqual(whole(text), expected));
}

Deno.test("a line counts once its newline is there, as long as more may follow", () => {
  const part = (text: string) => parseHeader(bytes(text), "part", NOW);
  assert.equal(part("#filed timeu"), undefined);
  assert.equal(part("#filed timeuot=3\n")?.kind, "refused");
  assert.deepEqual(part("#filed stdin=END\n"), { kind: "asks", asks: {}, isAlone: true });
  assert.deepEqual(part("#filed nice=3\nnice"), NICE);
});

Deno.test("a key that is there twice, on two lines, is refused where it is the second time", () => {
  assert.deepEqual(whole("#filed nice=3\n#\n#filed nice=3\n"), {
    kind: "refused",
    reason: "line 3: nice: it is there twice",
  });
});

const DATA: [string, string, string][] = [
  ["#filed stdin=END\ncat\nEND\n", "#filed stdin=END\ncat\n", ""],
  ["#filed stdin=END\ncat\nEND", "#filed stdin=END\ncat\n", ""],
  ["#filed stdin=END\ncat\nEND\na\nEND\n#filed x\n", "#filed stdin=END\ncat\n", "a\nEND\n#filed x\n"],
  ["#filed stdin=END\ncat <<END\n END\nENDE\nEND\n", "#filed stdin=END\ncat <<END\n END\nENDE\n", ""],
  ["#!/bin/sh\n#filed stdin='E D'\ncat\nE D\n\0\r\n", "#!/bin/sh\n#filed stdin='E D'\ncat\n", "\0\r\n"],
  ["# x\n#\n#filed stdin=#\ncat\n#\na", "# x\n#\n#filed stdin=#\ncat\n", "a"],
];
for (const [text, command, data] of DATA) {
  Deno.test(`of ${JSON.stringify(text)}, standard input is ${JSON.stringify(data)}`, () => {
    const header = whole(text);
    assert.equal(header?.kind, "asks");
    if (header?.kind !== "asks") return;
    const { commandBytes = 0, dataAt = 0 } = header.asks.stdin ?? {};
    assert.equal(text.slice(0, commandBytes), command);
    assert.equal(text.slice(dataAt), data);
  });
}

Deno.test("a header alone, with data behind it, has nothing to run", () => {
  const header = whole("#filed stdin=END\n\nEND\ndata\n");
  assert.ok(header?.kind === "asks" && header.isAlone);
});

Deno.test("a header ends after 64 KiB", () => {
  const comments = `#${"x".repeat(1_023)}\n`.repeat(64);
  assert.equal(whole(`${comments}#filed timeuot=3\n`), undefined);
});

Deno.test("bytes that are not UTF-8 are refused in a directive, and let be in a comment", () => {
  const latin1 = (text: string) => Uint8Array.from(text, (character) => character.charCodeAt(0));
  assert.deepEqual(parseHeader(latin1("#filed cwd=/\xe4\n"), "whole", NOW), {
    kind: "refused",
    reason: "line 1: it is not UTF-8",
  });
  assert.deepEqual(parseHeader(latin1("# \xe4\n#filed nice=3\nmake"), "whole", NOW), NICE);
});

const COSTLY = {
  "a header of very many lines": "#\n".repeat(32_768),
  "very many directives that say nothing": "#filed \n".repeat(8_192),
  "a line that is very long": `#filed cwd=/${"x".repeat(60_000)}\n`,
  "a key that is very long": `#filed ${"x".repeat(16_000)}=1\n`,
  "very many exit statuses": `#filed final=1${",1".repeat(8_000)}\n`,
};
for (const [what, text] of Object.entries(COSTLY)) {
  Deno.test(`${what} costs each write little`, () => {
    const content = new TextEncoder().encode(text);
    const times = Array.from({ length: 20 }, () => {
      const from = performance.now();
      parseHeader(content, "part", NOW);
      return performance.now() - from;
    });
    assert.ok(Math.min(...times) < 3, `${Math.min(...times)} ms`);
  });
}
