/**
 * How a run becomes another user; contract/run_as_test.ts says whom a job runs as,
 * contract/job_process_test.ts all that it gets.
 */
import assert from "node:assert/strict";
import { Workshop } from "./workshop.ts";

const ignore = Deno.uid() !== 0;

/** A user of the system, with a group of its own and one more, for as long as a test takes. */
class TestUser implements AsyncDisposable {
  readonly name = `filed-t-${crypto.randomUUID().slice(0, 8)}`;
  readonly group = `${this.name}-g`;
  readonly home: string;
  uid = 0;
  gid = 0;

  constructor(home: string) {
    this.home = home;
  }

  static async create(home: string): Promise<TestUser> {
    const user = new TestUser(home);
    try {
      await run("groupadd", user.group);
      await run("useradd", "-M", "-U", "-G", user.group, "-d", home, "-s", "/bin/sh", user.name);
      user.uid = Number(await run("id", "-u", user.name));
      user.gid = Number(await run("id", "-g", user.name));
      return user;
    } catch (error) {
      await user[Symbol.asyncDispose]();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Either may not have been made.
    await run("userdel", this.name).catch(() => {});
    await run("groupdel", this.group).catch(() => {});
  }
}

async function run(program: string, ...args: string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(program, { args }).output();
  if (!success) throw new Error(`${program} ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
  return new TextDecoder().decode(stdout).trim();
}

Deno.test({
  name: "a job runs as a user with its groups, its environment and its home",
  ignore,
  fn: async () => {
    await using workshop = new Workshop();
    await using user = await TestUser.create(workshop.dir);
    const command =
      'id -un; id -gn; id -Gn; echo "$HOME $USER $LOGNAME $SHELL"; pwd; grep -h Cap /proc/self/status';
    const run = workshop.start(command, { runAs: { uid: user.uid, gid: user.gid } });
    assert.deepEqual(await run.exit(), { kind: "exited", status: 0 });
    assert.deepEqual(run.text.split("\n").slice(0, 5), [
      user.name,
      user.name,
      `${user.name} ${user.group}`,
      `${user.home} ${user.name} ${user.name} /bin/sh`,
      user.home,
    ]);
    assert.match(run.text, /^CapEff:\t0+$/m);
    assert.match(run.text, /^CapPrm:\t0+$/m);
  },
});

Deno.test({
  name: "a job of a user without a home runs in /",
  ignore,
  fn: async () => {
    await using workshop = new Workshop();
    await using user = await TestUser.create(`${workshop.dir}/none`);
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
