/** What Deno lets filed do: all that it needs, and no network. */
import assert from "node:assert/strict";
import { filedCommand, ok, PERMISSIONS, Place, run } from "../harness.ts";
import { FILED, selfExtractingTest } from "./built.ts";

const TREE = new URL("../..", import.meta.url).pathname;

/** Tries the network in each way that Deno has, and prints what came of it. */
const TRIES = `
const [port] = Deno.args.map(Number);
const tries = {
  connect: () => Deno.connect({ port, hostname: "127.0.0.1" }),
  fetch: () => fetch(\`http://127.0.0.1:\${port}/\`),
  import: () => import(\`http://127.0.0.1:\${port}/code.ts\`),
  listen: () => Deno.listen({ port: 0 }),
  resolve: () => Deno.resolveDns("localhost", "A"),
  socket: () => new WebSocket(\`ws://127.0.0.1:\${port}/\`),
};
for (const [name, act] of Object.entries(tries)) {
  try {
    await act();
    console.log(name, "allowed");
  } catch (error) {
    console.log(name, /NotCapable|Requires \\w+ access/.test(String(error)) ? "refused" : String(error));
  }
}
`;

Deno.test("Deno refuses filed the network, and code from it", async () => {
  await using place = await Place.make();
  await Deno.writeTextFile(`${place.path}/tries.ts`, TRIES);
  using listener = Deno.listen({ port: 0, hostname: "127.0.0.1" });
  const accepted = listener.accept().then(() => "accepted", () => "nobody came");
  const flags = ["--no-prompt", "--no-config", ...PERMISSIONS];
  const printed = await ok(
    run([Deno.execPath(), "run", ...flags, `${place.path}/tries.ts`, String(listener.addr.port)]),
  );
  const names = ["connect", "fetch", "import", "listen", "resolve", "socket"];
  assert.deepEqual(printed.trimEnd().split("\n"), names.map((name) => `${name} refused`));
  listener.close();
  assert.equal(await accepted, "nobody came");
});

Deno.test("a place that Deno keeps programs out of is refused in one line", async () => {
  await using place = await Place.make();
  const state = `${place.path}/filed.db`;
  const refused = [["--state", state, "/dev/shm/jobs"], [
    "--state",
    "/dev/shm/filed.db",
    `${place.path}/mnt`,
  ]];
  for (const args of refused) {
    const [program, all] = filedCommand(args);
    const { status, stderr } = await run([program, ...all]);
    assert.equal(status, 1);
    assert.match(stderr, /^filed: Cannot .*: Deno keeps programs out of \/dev, \/proc and \/sys; name .*\n$/);
  }
});

Deno.test("a build has the permissions of the source tree", async () => {
  const commands = await ok(run(["env", "-u", "MAKEFLAGS", "make", "-C", TREE, "-nB", "compile", "run"]));
  for (const command of ["compile --quiet", "run"]) {
    assert.ok(commands.includes(`deno ${command} ${PERMISSIONS.join(" ")} `), `${command}: ${commands}`);
  }
});

selfExtractingTest("so has the self-extracting file", async () => {
  const options = await ok(
    run(["sed", "-n", "-e", "s/^options='\\(.*\\)'$/\\1/p", "-e", "/^main()/q", FILED]),
  );
  const given = options.trimEnd().split(" ").filter((option) =>
    /^(?:--(?:allow|deny|permission)|-[A-Z])/.test(option)
  );
  assert.deepEqual(given, PERMISSIONS);
});
