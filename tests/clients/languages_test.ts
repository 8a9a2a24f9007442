/** Submitting by what the standard libraries of languages have for it; each language's program is in languages/. */
import assert from "node:assert/strict";
import { compileGo } from "./go.ts";
import { holds, LOG, type Trial, tryAll } from "./trials.ts";

const DENO = Deno.execPath();
const SOURCE_IN_GO = new URL("languages/submit.go", import.meta.url).pathname;

/**
 * A program that submits `COMMAND` in several ways, and prints the ids.
 * @param before What must be done before it runs, in the trial's folder.
 */
function eachWay(
  language: string,
  run: string,
  program: string,
  before?: (folder: string) => Promise<void>,
): Trial {
  return holds(`${language} submits once, and the whole, in each of its ways`, async (queue) => {
    await before?.(queue.work);
    const ids = await queue.ok(`${run} "$P" "$ID" job`);
    for (const id of ids.trim().split("\n")) assert.equal(await queue.finished(id), LOG, id);
  }, program);
}

tryAll("languages", [
  eachWay("Go", "./submit", "go", (folder) => compileGo(SOURCE_IN_GO, `${folder}/submit`)),
  eachWay("Java", 'java -XX:-UsePerfData "$CLIENTS/languages/Submit.java"', "javac"),
  eachWay("Ruby", 'ruby "$CLIENTS/languages/submit.rb"', "ruby"),
  eachWay("Python", 'python3 "$CLIENTS/languages/submit.py"', "python3"),
  eachWay("Node", 'node "$CLIENTS/languages/submit.mjs"', "node"),
  eachWay("PHP", 'php "$CLIENTS/languages/submit.php"', "php"),
  eachWay("Perl", 'perl "$CLIENTS/languages/submit.pl"', "perl"),
  eachWay("Deno", `"${DENO}" run -A --no-config "$CLIENTS/languages/submit.deno.ts"`, "deno"),
]);
