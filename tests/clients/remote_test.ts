/** Submitting from another host: the real programs on both sides, with a remote shell that stays on this host. */
import assert from "node:assert/strict";
import { holds, LOG, type Queue, submits, type Trial, tryAll } from "./trials.ts";

const OLD = "touch -d '2 days ago' job; chmod 640 job";

/** A script of sftp's commands. */
const sftp = (...commands: string[]) =>
  `printf '%s\\n' ${
    commands.map((line) => `"${line}"`).join(" ")
  } | sftp -q -b - -S "$CLIENTS/remote_shell" host > said`;

/** A trial in which the mount is also at `$W/far`, through sshfs. */
function sshfs(name: string, act: (queue: Queue) => Promise<void>, ...needs: string[]): Trial {
  return holds(
    `${name} through sshfs`,
    async (queue) => {
      await queue.ok('mkdir far && sshfs -o ssh_command="$CLIENTS/remote_shell" host:"$M" far');
      try {
        await act(queue);
      } finally {
        await queue.ok("fusermount3 -u far");
      }
    },
    "sshfs",
    "fusermount3",
    "sftp-server",
    ...needs,
  );
}

const sshfsSubmits = (name: string, script: string, ...needs: string[]) =>
  sshfs(`${name} submits once, and the whole,`, async (queue) => {
    await queue.ok(script);
    assert.equal(await queue.finished(queue.id), LOG);
  }, ...needs);

tryAll("remote", [
  submits("scp", 'scp -q -S "$CLIENTS/remote_shell" job host:"$P/$ID"'),
  submits("scp -p", `${OLD}; scp -q -p -S "$CLIENTS/remote_shell" job host:"$P/$ID"`),
  submits("scp -O", 'scp -q -O -S "$CLIENTS/remote_shell" job host:"$P/$ID"'),
  submits("scp -O -p", `${OLD}; scp -q -O -p -S "$CLIENTS/remote_shell" job host:"$P/$ID"`),
  submits("sftp put", sftp("put job $P/$ID")),
  submits("sftp put -p", `${OLD}; ${sftp("put -p job $P/$ID")}`),
  submits("sftp put -f", sftp("put -f job $P/$ID")),
  submits("sftp put and rename", sftp("put job $P/.$ID", "rename $P/.$ID $P/$ID")),
  submits("rsync -a -e", `${OLD}; rsync -a -e "$CLIENTS/remote_shell" job host:"$P/$ID"`),
  submits("rsync -e --inplace", `rsync --inplace -e "$CLIENTS/remote_shell" job host:"$P/$ID"`),
  submits("cat through a remote shell", '"$CLIENTS/remote_shell" host "cat > \'$P/$ID\'" < job'),

  sshfsSubmits("sh >", 'cat job > "far/pending/$ID"'),
  sshfsSubmits("cp -p", `${OLD}; cp -p job "far/pending/$ID"`),
  sshfsSubmits("mv", 'mv job "far/pending/$ID"'),
  sshfsSubmits(
    "a draft that is renamed",
    'cat job > "far/pending/.$ID"; mv "far/pending/.$ID" "far/pending/$ID"',
  ),
  sshfsSubmits("install", 'install job "far/pending/$ID"'),
  sshfsSubmits("rsync -a", `${OLD}; rsync -a job "far/pending/$ID"`, "rsync"),
  sshfsSubmits("rsync -a --inplace", `${OLD}; rsync -a --inplace job "far/pending/$ID"`, "rsync"),
  sshfsSubmits("dd conv=fsync", 'dd if=job of="far/pending/$ID" bs=512 conv=fsync status=none'),
  sshfsSubmits("vim", 'vim -u NONE -es "+w far/pending/$ID" +qa job', "vim"),
  sshfs("a queue is read, repeated and cleared", async (queue) => {
    assert.equal(await queue.finish(queue.id, "echo once"), ">>> echo once\nonce\n");
    assert.equal(await queue.ok('cat "far/complete/$ID"'), ">>> echo once\nonce\n");
    await queue.ok('mv "far/complete/$ID" far/pending/');
    await queue.filed.events("attempt ended", { job: queue.id }, 2);
    queue.submitted.push(queue.id);
    await queue.ok('rm "far/complete/$ID" && test ! -e "far/complete/$ID" && test ! -e "$M/complete/$ID"');
  }),
  sshfs("rm of a job whose log is read there ends it", async (queue) => {
    const fifo = "$W/up";
    await queue.ok(
      `mkfifo "${fifo}"; echo ': > "'"${fifo}"'"; exec sleep 60' > "$P/$ID"; read -r _ < "${fifo}" || :`,
    );
    queue.submitted.push(queue.id);
    await queue.ok(
      `exec 3< "far/active/$ID"; cat <&3 > said; rm "far/active/$ID"; test ! -e "$M/active/$ID"; exec 3<&-`,
    );
    await queue.filed.event("attempt ended", { job: queue.id, state: "taken away" });
  }),
  sshfs("new-id gives another id each time", async (queue) => {
    const ids = (await queue.ok("cat far/new-id far/new-id; cat far/new-id")).trimEnd().split("\n");
    assert.equal(new Set(ids).size, 3);
  }),
  sshfs("settings that can't be are refused", async (queue) => {
    const { status, stderr } = await queue.sh(`echo '{"max_job_count": -1}' > bad; cp bad far/config.json`);
    assert.notEqual(status, 0);
    assert.match(stderr, /Input\/output error|Invalid argument|Operation not permitted|failed/i);
  }),
]);
