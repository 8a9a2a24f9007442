/** flock(2) and fcntl(2) locks, on a job, a log, a directory and a draft. */
import assert from "node:assert/strict";
import { holds, type Trial, tryAll } from "./trials.ts";

/** Two programs that want a lock on a file of the mount: the second waits for the first, or is told that it is taken. */
function excludes(name: string, make: string, path: string, remove: string): Trial {
  return holds(`flock on ${name} lets one in at a time`, async (queue) => {
    const said = await queue.ok(`
      ${make}
      mkfifo inside go
      { flock 9 && echo first in && : > inside && read -r _ < go; echo first out; } 9< ${path} >> said &
      read -r _ < inside || :
      flock -n 8 8< ${path} && echo both in >> said
      { flock -x ${path} echo second in; } >> said &
      echo > go
      wait
      cat said
      ${remove}`);
    assert.equal(said, "first in\nfirst out\nsecond in\n");
  }, "flock");
}

tryAll("locks", [
  excludes("a draft", 'echo true > "$P/.$ID"', '"$P/.$ID"', 'rm "$P/.$ID"'),
  excludes("a directory", ":", '"$M/pending"', ":"),
  excludes("the settings", ":", '"$M/config.json"', ":"),
  excludes(
    "a job that waits",
    'echo true > "$P/.$ID"; touch -d 2099-01-01 "$P/.$ID"; mv "$P/.$ID" "$P/$ID"',
    '"$P/$ID"',
    'rm "$P/$ID"',
  ),
  holds("flock on a log runs a command", async (queue) => {
    await queue.finish(queue.id, "true");
    assert.equal(await queue.ok('flock -n "$M/complete/$ID" echo locked'), "locked\n");
  }),
  holds("flock submits from one script at a time", async (queue) => {
    const submit = 'flock "$M/pending" sh -c \'n=$(ls -A "$P" | grep -c "^[.]$ID") ; : > "$P/.$ID-$n"\' &';
    await queue.ok(`${submit} `.repeat(8) + " wait");
    assert.equal(await queue.ok('ls -A "$P" | grep -c "^[.]$ID"; rm "$P/.$ID-"*'), "8\n");
  }),
  holds("python3 fcntl.lockf lets one in at a time", async (queue) => {
    assert.equal(
      await queue.ok(`: > "$P/.$ID"; python3 -c '
import fcntl, os, sys
file = open(sys.argv[1], "r+")
fcntl.lockf(file, fcntl.LOCK_EX)
if os.fork() == 0:
    try:
        fcntl.lockf(open(sys.argv[1], "r+"), fcntl.LOCK_EX | fcntl.LOCK_NB)
        print("both in")
    except BlockingIOError:
        print("one in")
else:
    os.wait()
' "$P/.$ID"; rm "$P/.$ID"`),
      "one in\n",
    );
  }, "python3"),
]);
