/** Copied to a host by scp, the file runs there: the host is an sshd of this test's own, on the loopback. */
import assert from "node:assert/strict";
import { ok, Place, run } from "../harness.ts";
import { Program } from "../program.ts";
import { alone, builtRootTest, FILED, inside, makeTools } from "./built.ts";
import { User } from "../users.ts";

const PORT = 22_022; // In a network of its own it is free.

/** An sshd in a namespace of its own, where a user of ours may log in, and finds no more than filed needs. */
class Host implements AsyncDisposable {
  private constructor(readonly place: Place, readonly user: User, readonly sshd: Program) {}

  static async start(place: Place, user: User): Promise<Host> {
    const at = (name: string) => `${place.path}/${name}`;
    for (const key of ["host", "key"]) {
      await ok(run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", at(key)]));
    }
    await Deno.copyFile(at("key.pub"), at("authorized"));
    const tools = await makeTools(at("bin"), ["fusermount3", "cat", "scp"]);
    await Deno.writeTextFile(
      at("sshd_config"),
      [
        `HostKey ${at("host")}`,
        `ListenAddress 127.0.0.1:${PORT}`,
        `AuthorizedKeysFile ${at("authorized")}`,
        `AllowUsers ${user.name}`,
        `SetEnv PATH=${tools}`,
        "Subsystem sftp internal-sftp",
        ...["StrictModes no", "UsePAM no", "PidFile none", "PrintMotd no", "PrintLastLog no"],
      ].join("\n"),
    );
    // sshd keeps its own directory in /run, which is not there unless a service has made it.
    const script = `mount -t tmpfs tmpfs /run && mkdir /run/sshd && ip link set lo up && exec "$@"`;
    const sshd = Program.run([
      ...[...alone(place.path), "sh", "-c", script, "sh"],
      ...[(await ok(run(["sh", "-c", "PATH=$PATH:/usr/sbin command -v sshd"]))).trim()],
      ...["-D", "-e", "-f", at("sshd_config")],
    ]);
    await sshd.says(/Server listening/);
    return new Host(place, user, sshd);
  }

  /** ssh or scp, from where the host is to be reached. */
  client(program: "ssh" | "scp", ...args: string[]): string[] {
    const options = [
      "StrictHostKeyChecking=no",
      "UserKnownHostsFile=/dev/null",
      "LogLevel=ERROR",
      "BatchMode=yes",
    ];
    return [
      ...inside(this.sshd.pid),
      ...[
        program,
        "-F",
        "/dev/null",
        "-i",
        `${this.place.path}/key`,
        program === "ssh" ? "-p" : "-P",
        `${PORT}`,
      ],
      ...[...options.flatMap((option) => ["-o", option]), ...args],
    ];
  }

  get login(): string {
    return `${this.user.name}@127.0.0.1`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.sshd[Symbol.asyncDispose]();
  }
}

builtRootTest("the file runs on a host that it was copied to by scp", async () => {
  await using place = await Place.make();
  await using user = await User.in(place.path);
  await using host = await Host.start(place, user);
  await ok(run(host.client("scp", "-p", FILED, `${host.login}:filed`)));

  const start = "exec ./filed --state filed.db --log-format json jobs";
  await using filed = Program.run(host.client("ssh", host.login, start));
  await filed.says(/"ready"/);
  const remote = (script: string) => ok(run(host.client("ssh", host.login, script)));
  await remote("echo 'echo from afar' >jobs/pending/1");
  await filed.says(/"attempt ended"/);
  assert.equal(await remote("cat jobs/complete/1"), ">>> echo from afar\nfrom afar\n");
  await remote(`kill ${/"pid":(\d+)/.exec(filed.stderr)?.[1]}`);
  assert.equal(await filed.ended(), 0, filed.stderr);
});
