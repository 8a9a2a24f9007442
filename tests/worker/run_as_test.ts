/**
 * How a run becomes another user; contract/run_as_test.ts says whom a job runs as,
 * contract/job_process_test.ts all that it gets.
 */
import assert from "node:assert/strict";
import { ok, run } from "../harness.ts";
import { User } from "../users.ts";
import { Workshop } from "./workshop.ts";

const ignore = Deno.uid() !== 0;

Deno.test({
  name: "a job runs as a user with its groups, its environment and its home",
  ignore,
  fn: async () => {
    await using workshop = new Workshop();
    await using cleanup = new AsyncDisposableStack();
    const user = cleanup.use(await User.at(workshop.dir));
    const group = `${user.name}-g`;
    await ok(run(["groupadd", group]));
    cleanup.defer(async () => void await ok(run(["groupdel", group])));
    await ok(run(["usermod", "--append", "--groups", group, user.name]));
    const command =
      'id -un; id -gn; id -Gn; echo "$HOME $USER $LOGNAME $SHELL"; pwd; grep -h Cap /proc/self/status';
    const job = workshop.start(command, { runAs: { uid: user.uid, gid: user.gid } });
    assert.deepEqual(await job.exit(), { kind: "exited", status: 0 });
    assert.deepEqual(job.text.split("\n").slice(0, 5), [
      user.name,
      user.name,
      `${user.name} ${group}`,
      `${user.home} ${user.name} ${user.name} /bin/sh`,
      user.home,
    ]);
    assert.match(job.text, /^CapEff:\t0+$/m);
    assert.match(job.text, /^CapPrm:\t0+$/m);
  },
});

Deno.test({
  name: "a job of a user without a home runs in /",
  ignore,
  fn: async () => {
    await using workshop = new Workshop();
    await using user = await User.at(`${workshop.dir}/none`);
    const run = workshop.start("pwd; echo $HOME", { runAs: { uid: user.uid, gid: user.gid } });
    await run.ended.promise;
    assert.equal(run.text, `/\n${user.home}\n`);
  },
});

Deno.test({
  name: "a job of a uid without a user has no groups but its own",
  ignore,
  fn: async () => {
    await using workshop = new Workshop();
    const run = workshop.start('id -u; id -G; echo "$HOME $USER"', {
      runAs: { uid: 3_999_999, gid: 3_999_998 },
    });
    await run.ended.promise;
    assert.equal(run.text, "3999999\n3999998\n/ 3999999\n");
  },
});

Deno.test({
  name: "a job of a uid without a user is in no group of the group database, whatever the group of its file",
  ignore,
  fn: async () => {
    await using workshop = new Workshop();
    const run = workshop.start("id -G", { runAs: { uid: 3_999_999, gid: 0 } });
    await run.ended.promise;
    assert.equal(run.text, "65534\n");
  },
});

Deno.test({
  name: "sh's errors and its exit are the same for another user's job",
  ignore,
  fn: async () => {
    await using workshop = new Workshop();
    const run = workshop.start("PATH=/usr/bin:/bin; ech x", { runAs: { uid: 3_999_999, gid: 3_999_998 } });
    assert.deepEqual(await run.exit(), { kind: "exited", status: 127 });
    assert.equal(run.text, "sh: 1: ech: not found\n");
  },
});

for (const cgroups of ["used", "unused"] as const) {
  Deno.test({
    name: `all of another user's job is ended, cgroups ${cgroups}`,
    ignore,
    fn: async () => {
      await using workshop = new Workshop({ cgroups });
      await workshop.fifos("up");
      const command = "setsid sh -c 'echo > $DIR/up; exec tail -f $DIR/up' & wait";
      const run = workshop.start(command, { runAs: { uid: 3_999_999, gid: 3_999_998 } });
      await workshop.read("up");
      workshop.executor.end(run.token, 0);
      assert.deepEqual((await run.ended.promise).survivors, []);
      assert.deepEqual(workshop.processes(), []);
    },
  });
}
