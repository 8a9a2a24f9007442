/** Watching jobs while they run. */
import assert from "node:assert/strict";
import { holds, tryAll } from "./trials.ts";
import { typing } from "./typing.ts";

/** A job that says `one`, and, once a file is there, `two`; neither is a part of its command. */
const job = (go: string) => `printf 'on%s\\n' e; until [ -e ${go} ]; do sleep 0.05; done; printf 'tw%s\\n' o`;
const INTERRUPT = "\\x03";

/** A program on a terminal follows the job's log: what it had to say first, and what it says at its end. */
const follows = (name: string, program: string, ...last: [string, string][]) =>
  holds(`${name} shows what a job says, to its end`, async (queue) => {
    const go = `${queue.work}/go`;
    await queue.filed.submit(queue.id, job(go));
    await queue.filed.event("attempt started", { job: queue.id });
    const steps: [string, string][] = [["one", `!touch ${go}`], ...last];
    await queue.ok(`${typing(steps, program)} > said`);
    assert.match(await queue.finished(queue.id), /\none\ntwo\n$/);
  }, name);

tryAll("watching", [
  follows("tail -f", 'tail -s 0.1 -n +1 -f "$M/active/$ID"', ["two", INTERRUPT]),
  follows("tail -F", 'tail -s 0.1 -n +1 -F "$M/active/$ID"', ["two", INTERRUPT]),
  follows("less +F", 'less +F "$M/active/$ID"', ["two", INTERRUPT], ["\r", "q"]),
  follows("watch", 'watch -n 0.1 cat "$M/active/$ID" "$M/complete/$ID"', ["two", INTERRUPT]),
  holds("inotifywait sees what programs do, and not what filed does", async (queue) => {
    const log = await queue.ok(`
      inotifywait -q -m --format "%w%f %e" "$P" "$M/active" "$M/complete" > events 2> errors &
      watcher=$!
      until touch "$P/.ready-$ID" && grep -q "ready-$ID" events; do sleep 0.05; done
      rm "$P/.ready-$ID"
      echo "echo said" > "$P/$ID"
      until [ -e "$M/complete/$ID" ]; do sleep 0.05; done
      chmod 600 "$M/complete/$ID"
      until grep -q "/complete/$ID ATTRIB" events; do sleep 0.05; done
      kill $watcher
      sed -n "s,^$M/,,; / ISDIR/d; /\\/$ID /p" events; cat errors`);
    await queue.finished(queue.id);
    const seen = log.trim().split("\n").map((line) => line.replace(`/${queue.id}`, ""));
    assert.deepEqual(seen, [
      "pending CREATE",
      "pending OPEN",
      "pending MODIFY",
      "pending CLOSE_WRITE,CLOSE",
      "complete ATTRIB",
    ]);
  }),
  ...["lsof -t", "fuser"].map((finder) =>
    holds(`${finder} finds who reads a job's log`, async (queue) => {
      const go = `${queue.work}/go`;
      await queue.filed.submit(queue.id, job(go));
      await queue.filed.event("attempt started", { job: queue.id });
      const pids = await queue.ok(`
        exec 3< "$M/active/$ID"
        echo $$
        ${finder} "$M/active/$ID" 2> said`);
      const [own, ...found] = pids.trim().split(/\s+/);
      assert.ok(found.includes(own as string), pids);
      await queue.ok("touch go");
      await queue.finished(queue.id);
    })
  ),
  holds("umount says that the mount is in use while somebody reads there", async (queue) => {
    await queue.finish(queue.id, "true");
    const { status, stderr } = await queue.sh(
      'exec 3< "$M/complete/$ID"; umount "$M" || fusermount3 -u "$M"',
    );
    assert.notEqual(status, 0);
    assert.match(stderr, /busy/);
  }, "fusermount3"),
]);
