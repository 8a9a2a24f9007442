/** The examples of the README do what it says, as they are written there. */
import assert from "node:assert/strict";
import { Place } from "../harness.ts";
import { compileGo, GO } from "./go.ts";
import { mayLeaveOut, missing, packagesOf } from "./programs.ts";
import { example, inline, MOUNT, session, startAsWritten, there } from "./readme.ts";
import { typing } from "./typing.ts";

const SOURCE_IN_GO = new URL("languages/submit.go", import.meta.url).pathname;

/** A shell where the README's queue is, which retries at once. */
type Sh = (script: string) => Promise<string>;

function readmeTest(name: string, act: (sh: Sh) => Promise<void>, ...needs: string[]) {
  const lacking = missing(needs);
  const isLeftOut = mayLeaveOut(lacking);
  const title = `as root: the README's ${name}${isLeftOut ? ` (not tried: no ${lacking})` : ""}`;
  const fn = async () => {
    assert.deepEqual(lacking, [], `not tried: install ${packagesOf(lacking)}`);
    await using place = await Place.make();
    if (needs.includes("go")) await compileGo(SOURCE_IN_GO, `${place.path}/unused`); // And the standard library.
    await using filed = await startAsWritten(place);
    const sh: Sh = (script) => there(filed, place, script);
    await sh(`echo '{"backoff_base": 0}' > ${MOUNT}/config.json`);
    await act(sh);
  };
  Deno.test({ name: title, ignore: isLeftOut || Deno.uid() !== 0, fn });
}

const until = (path: string) => `until [ -e "${path}" ]; do sleep 0.05; done`;

readmeTest("session shows what is printed, and each of its commands works", async (sh) => {
  await sh(`echo 'echo going; exec sleep 600' > ${MOUNT}/pending/long`);
  for (const { command, output } of session()) {
    const [job] = /\/tmp\/filed-jobs\/(?:active|complete|failed)\/\w+/.exec(command) ?? [];
    if (job) await sh(until(job));
    const isEndless = command.startsWith("tail -f");
    const printed = await sh(isEndless ? `${typing([["\ngoing", "\\x03"]], command)} > said` : command);
    if (output !== "") assert.equal(printed, output, command);
  }
  await sh(`until [ "$(ls ${MOUNT}/active)" = "" ]; do sleep 0.05; done`);
  assert.match(
    await sh(`ls ${MOUNT}/*`),
    /\/complete:\n1\n\n.*\/failed:\nmail-\w+\n\n.*\/pending:\nlater\n/s,
  );
  assert.match(await sh(`cat ${MOUNT}/config.json`), /"max_job_count": 4,/);
});

readmeTest("setting applies", async (sh) => {
  await sh(inline(/echo '\{"timeout_sec".*/));
  assert.match(await sh(`cat ${MOUNT}/config.json`), /"timeout_sec": 0,/);
});

readmeTest("shell examples submit", async (sh) => {
  await sh(example("sh", "jobs=/tmp/filed-jobs"));
  await sh(`cd ${MOUNT}/failed; until ls report-* deploy-* > /dev/null 2>&1; do sleep 0.05; done`);
  const log = await sh(`head -n 5 ${MOUNT}/failed/*`);
  assert.match(log, /report-\w+ <==\n>>> make -C \/srv\/shop report\n/);
  assert.match(log, /deploy-\w+ <==\n>>> set -e\ncd \/srv\/shop\nmake build\nmake install\n/);
});

readmeTest("jobs that ask for something get it, one after another", async (sh) => {
  await sh(example("sh", "after=build"));
  for (const id of ["deploy", "users"]) await sh(until(`${MOUNT}/complete/${id}`));
  const last = await sh(`cd ${MOUNT}/complete; tail -qn 1 build test deploy users; wc -l < /etc/passwd`);
  assert.match(last, /^built\ntested on 0,1\ndeployed\n(\d+)\n\1\n$/);
});

readmeTest("line for cron submits once a day", async (sh) => {
  const [, command = ""] = /^30 2 \* \* \* +(.*)$/m.exec(example("text", "30 2 * * *")) ?? [];
  const asCronDoes = command.replaceAll("\\%", "%"); // crontab(5)
  await sh(`${asCronDoes} && ${until("$(ls -d /tmp/filed-jobs/failed/backup-20??-??-?? | head -n 1)")}`);
  await assert.rejects(sh(asCronDoes), /File exists|cannot create/);
});

/** What a program prints that the README's `submit` is a part of: the id of a job that says `whole`. */
const LANGUAGES = {
  python: [
    `cat > jobs.py; python3 -c 'from jobs import submit; print(submit("x", "echo whole"))'`,
    "python3",
  ],
  js: [
    `cat > jobs.mjs; node -e 'import("./jobs.mjs").then(async ({ submit }) => console.log(await submit("x", "echo whole")))'`,
    "node",
  ],
  php: [`{ echo "<?php"; cat; echo 'echo submit("x", "echo whole");'; } > jobs.php; php jobs.php`, "php"],
  go: [
    `mkdir jobs; cat > jobs/jobs.go
    printf 'module example\ngo 1.18\n' > go.mod
    cat > main.go <<'END'
package main

import "example/jobs"

func main() {
	id, err := jobs.Submit("x", "echo whole")
	if err != nil {
		panic(err)
	}
	print(id)
}
END
    ${GO} run . 2>&1`,
    "go",
  ],
} as const;
for (const [language, [script, program]] of Object.entries(LANGUAGES)) {
  readmeTest(`example in ${language} submits`, async (sh) => {
    const submits = `{ ${script}\n} <<'README'\n${example(language, "filed-jobs")}README`;
    const id = (await sh(submits)).trim();
    assert.match(id, /^x-\w+$/);
    const log = await sh(`${until(`${MOUNT}/complete/${id}`)}; cat ${MOUNT}/complete/${id}`);
    assert.equal(log, ">>> echo whole\nwhole\n");
    assert.equal(await sh(`ls -A ${MOUNT}/pending`), "");
  }, program);
}
