/** What the base and each rule allow, and that it is no more. */
import assert from "node:assert/strict";
import { Filed, ok, Place, sh } from "../harness.ts";
import { freePort, Server } from "./server.ts";
import { SOURCE } from "./world.ts";

const DENIED = /(Permission denied|Operation not permitted|Invalid cross-device link)\n/;

/** Commands of one job each; what none of the rules below allows is used by no "ok" one. */
const COMMANDS: [string, string, "ok" | "denied"][] = [
  // the base alone: none of these paths is in a rule
  ["the base executes a shell", "/bin/sh -c 'echo x'", "ok"],
  ["the base executes no other program", "ls", "denied"],
  ["the base reads the names of users", "read -r line < /etc/passwd", "ok"],
  ["the base reads the names of groups", "read -r line < /etc/group", "ok"],
  ["the base reads no other file of /etc", "read -r line < /etc/fstab", "denied"],
  ["the base reads and writes /dev/null", "echo x <> /dev/null >&0", "ok"],
  ["the base reads /dev/urandom", ": < /dev/urandom", "ok"],
  ["the base does not write to /dev/urandom", ": > /dev/urandom", "denied"],
  ["the base reads no other device", ": < /dev/zero", "denied"],
  ["the base lists libraries", 'set -- /usr/lib/*; test -e "$1"', "ok"],
  ["the base does not list /", 'set -- /*; test -e "$1" || echo Permission denied; test -e "$1"', "denied"],
  ["the base reads nothing of /proc", "read -r line < /proc/uptime", "denied"],
  [
    "the base has a temporary folder",
    'echo x > "$TMPDIR/x" && read -r x < "$TMP/x" && test -e "$TEMP/x"',
    "ok",
  ],
  [
    "the base executes nothing in the temporary folder",
    'cp $TOOLS/attempt $TMPDIR/x; "$TMPDIR/x" euid',
    "denied",
  ],
  // --ro
  ["--ro DIRECTORY reads what is beneath", "read -r line < $P/ro/deep/file", "ok"],
  ["--ro DIRECTORY lists what is beneath", "test -e $P/ro/d*/f*", "ok"],
  ["--ro DIRECTORY does not write", "echo x >> $P/ro/deep/file", "denied"],
  ["--ro DIRECTORY does not create", ": > $P/ro/new", "denied"],
  ["--ro DIRECTORY does not remove", "rm -f $P/ro/deep/file", "denied"],
  ["--ro DIRECTORY does not execute", "$P/ro/attempt euid", "denied"],
  ["--ro DIRECTORY is not what is above", "read -r line < $P/outside", "denied"],
  ["--ro FILE reads the file", "read -r line < $P/files/read", "ok"],
  ["--ro FILE does not write it", ": >> $P/files/read", "denied"],
  ["--ro FILE is not the file beside it", "read -r line < $P/files/other", "denied"],
  // --rw
  ["--rw DIRECTORY creates, writes and reads", "echo x > $P/rw/a && read -r x < $P/rw/a", "ok"],
  ["--rw DIRECTORY truncates", "echo x > $P/rw/b && $TOOLS/attempt truncate $P/rw/b", "ok"],
  [
    "--rw DIRECTORY moves between its directories",
    "mkdir $P/rw/c $P/rw/d && : > $P/rw/c/x && $TOOLS/attempt rename $P/rw/c/x $P/rw/d/x",
    "ok",
  ],
  [
    "--rw DIRECTORY links and removes",
    "mkdir $P/rw/e && : > $P/rw/f && ln $P/rw/f $P/rw/e/f && ln -s x $P/rw/e/g && rm -r $P/rw/e",
    "ok",
  ],
  ["--rw DIRECTORY does not execute", "cp $TOOLS/attempt $P/rw/attempt && $P/rw/attempt euid", "denied"],
  ["--rw FILE writes the file", "echo x > $P/files/write", "ok"],
  ["--rw FILE does not remove it", "rm -f $P/files/write", "denied"],
  // --exec
  ["--exec DIRECTORY executes what is beneath", "$TOOLS/attempt euid", "ok"],
  ["--exec DIRECTORY reads what is beneath", ": < $TOOLS/attempt", "ok"],
  ["--exec DIRECTORY does not write", ": > $TOOLS/new", "denied"],
  ["--exec FILE executes the file", "mkdir $P/rw/made", "ok"],
  ["--exec FILE is not the file beside it", "rmdir $P/rw/made", "denied"],
  // --connect and --bind
  ["--connect PORT connects to the port", "$TOOLS/attempt connect-tcp $PORT", "ok"],
  ["--connect PORT does not bind it", "$TOOLS/attempt bind-tcp $PORT", "denied"],
  ["--connect PORT is not another port", "$TOOLS/attempt connect-tcp $OTHER_PORT", "denied"],
  ["--bind PORT binds the port", "$TOOLS/attempt bind-tcp $BIND_PORT", "ok"],
  ["--bind PORT does not connect to it", "$TOOLS/attempt connect-tcp $BIND_PORT", "denied"],
  ["--bind PORT is not another port", "$TOOLS/attempt bind-tcp $OTHER_PORT", "denied"],
];

Deno.test("each rule allows what the manual says, and no more", async () => {
  await using place = await Place.make();
  const P = place.path;
  const TOOLS = `${P}/tools`;
  await ok(sh(SETUP, { P, SOURCE }));
  await using server = await Server.start(`${TOOLS}/attempt`);
  const [BIND_PORT, OTHER_PORT] = [await freePort(`${TOOLS}/attempt`), await freePort(`${TOOLS}/attempt`)];
  const programs = ["cp", "ln", "mkdir", "rm"].map((name) => `/usr/bin/${name}`);
  const rules: [string, string[]][] = [
    ["--ro", [`${P}/ro`, `${P}/files/read`]],
    ["--rw", [`${P}/rw`, `${P}/files/write`]],
    ["--exec", [TOOLS, ...programs]],
    ["--connect", [server.port]],
    ["--bind", [BIND_PORT]],
  ];
  await using filed = await Filed.start(place, {
    args: [
      "--sandbox=require",
      ...rules.flatMap(([option, values]) => values.flatMap((value) => [option, value])),
    ],
    env: { P, TOOLS, PORT: server.port, BIND_PORT, OTHER_PORT },
    config: { max_attempts: 1 },
  });
  const wrong: string[] = [];
  for (const [index, [name, command, expected]] of COMMANDS.entries()) {
    const log = await filed.finish(`${index}`, command);
    const found = !log.includes("[System Error]") ? "ok" : DENIED.test(log) ? "denied" : "failed otherwise";
    if (found !== expected) wrong.push(`${name}: ${found}\n${log}`);
  }
  assert.deepEqual(wrong, []);
});

const SETUP = `
set -e
cd "$P"
mkdir -p tools ro/deep rw files
cc -O1 -o tools/attempt "$SOURCE"
cp tools/attempt ro/attempt
for file in ro/deep/file outside files/read files/other files/write; do echo x > $file; done`;

const REFUSED: [string, string[], RegExp][] = [
  [
    "a path that is not there",
    ["--ro", "/nowhere/at/all"],
    /Cannot keep --ro \/nowhere\/at\/all: there is no such file or directory$/,
  ],
  [
    "a path through what is no directory",
    ["--exec", "/etc/passwd/x"],
    /Cannot keep --exec \/etc\/passwd\/x: .*ENOTDIR$/,
  ],
];
for (const [name, rules, message] of REFUSED) {
  Deno.test(`filed does not start with a rule for ${name}`, async () => {
    await using place = await Place.make();
    await assert.rejects(Filed.start(place, { args: ["--sandbox", ...rules] }), message);
    assert.notEqual((await sh("mountpoint -q $M", { M: `${place.path}/mnt` })).status, 0);
  });
}

Deno.test("a rule with a relative path means the one where filed was started", async () => {
  await using place = await Place.make();
  await Deno.writeTextFile(`${place.path}/here`, "x\n");
  await using filed = await Filed.start(place, { args: ["--sandbox", "--ro", "here"], cwd: place.path });
  assert.match(
    await filed.finish("read", `read -r line < ${place.path}/here && echo "got $line"`),
    /^got x$/m,
  );
});

Deno.test("a rule can be for a directory of the mount, so that jobs may submit jobs", async () => {
  await using place = await Place.make();
  const args = ["--sandbox", "--rw", `${place.path}/mnt/pending`];
  await using filed = await Filed.start(place, { args, config: { max_attempts: 1 } });
  await filed.finish("parent", `echo 'echo from a job' > ${filed.mount}/pending/child`);
  assert.match(await filed.finished("child"), /^from a job$/m);
  assert.match(await filed.finish("nosy", `read -r line < ${filed.mount}/complete/child`), DENIED);
});

Deno.test("a rule is for what is at its path when a job starts", async () => {
  await using place = await Place.make();
  const file = `${place.path}/file`;
  await Deno.writeTextFile(file, "old\n");
  await using filed = await Filed.start(place, {
    args: ["--sandbox", "--ro", file],
    config: { max_attempts: 1 },
  });
  assert.match(
    await filed.finish("old", `read -r x < ${file} && echo "got $x"`),
    /^got old$/m,
  );
  await Deno.writeTextFile(`${file}.new`, "new\n");
  await Deno.rename(`${file}.new`, file); // as a package's upgrade does
  for (let job = 1;; job++) {
    const log = await filed.finish(`new-${job}`, `read -r x < ${file} && echo "got $x"`);
    if (/^got new$/m.test(log)) break;
    assert.match(log, DENIED); // for up to a second
  }
});

Deno.test("a job does not start where a rule can't be kept any more, and says why", async () => {
  await using place = await Place.make();
  const file = `${place.path}/file`;
  await Deno.writeTextFile(file, "x\n");
  await using filed = await Filed.start(place, {
    args: ["--sandbox", "--ro", file],
    config: { max_attempts: 1 },
  });
  await Deno.remove(file);
  for (let job = 1;; job++) {
    const log = await filed.finish(`job-${job}`, "echo ran");
    if (/^ran$/m.test(log)) continue; // for up to a second
    assert.match(
      log,
      /\[System Error\]: not started: Cannot keep --ro .*\/file: there is no such file or directory\n$/,
    );
    break;
  }
});
