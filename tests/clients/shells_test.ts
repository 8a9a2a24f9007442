/** Submitting by the redirections of the shells that people type into. */
import assert from "node:assert/strict";
import { basename } from "node:path";
import { holds, LOG, refused, submits, type Trial, tryAll } from "./trials.ts";

/** A file `script` in which a program is given the command as a here-document. */
const heredoc = (start: string) => `{ echo "${start} <<'END'"; cat job; echo END; } > script`;

/** What all shells of the family of sh have. */
const FAMILY = ["bash", "dash", "zsh", "busybox sh"].flatMap((shell): Trial[] => [
  submits(`${shell} >`, `${shell} -c 'cat job > "$P/$ID"'`),
  submits(`${shell} >>`, `${shell} -c 'cat job >> "$P/$ID"'`),
  submits(`${shell} noclobber >`, `${shell} -c 'set -C; cat job > "$P/$ID"'`),
  submits(`${shell} >|`, `touch "$P/$ID"; ${shell} -c 'set -C; cat job >| "$P/$ID"'`),
  submits(`${shell} list >`, `${shell} -c '{ head -n 9 job; tail -n +10 job; } > "$P/$ID"'`),
  submits(`${shell} exec >`, `${shell} -c 'exec > "$P/$ID"; head -n 9 job; sed 1,9d job'`),
  submits(`${shell} printf >`, `${shell} -c 'printf "%s\\n" "$(cat job)" > "$P/$ID"'`),
  submits(`${shell} here-document >`, `${heredoc("cat > '$P/$ID'")}; ${shell} script`),
  submits(`${shell} here-document tee`, `${heredoc("tee '$P/$ID' > /dev/null")}; ${shell} script`),
  refused(
    `${shell} noclobber > over a file`,
    `touch "$P/.$ID"; ${shell} -c 'set -C; cat job > "$P/.$ID"'; status=$?; rm "$P/.$ID"; exit $status`,
    /exist/i,
  ),
]);

tryAll("shells", [
  ...FAMILY,
  submits("fish >", `fish -c 'cat job > "$P/$ID"'`),
  submits("fish >>", `fish -c 'cat job >> "$P/$ID"'`),
  submits("fish noclobber >?", `fish -c 'cat job >? "$P/$ID"'`),
  submits("fish tee", `fish -c 'tee "$P/$ID" < job > /dev/null'`),
  submits("fish begin >", `fish -c 'begin; head -n 9 job; tail -n +10 job; end > "$P/$ID"'`),
  submits("sponge", `sponge "$P/$ID" < job`),
  holds("mktemp gives a name that runs once it is written", async (queue) => {
    const path = await queue.ok(
      'file=$(mktemp "$P/job-XXXX"); head -n 9 job > "$file"; sed 1,9d job >> "$file"; echo "$file"',
    );
    assert.equal(await queue.finished(basename(path.trim())), LOG);
  }),
]);
