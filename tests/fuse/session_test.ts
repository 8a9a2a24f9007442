/**
 * Sessions of the kernel's: src/fuse/session_test.ts has those where a test is the kernel,
 * idle/session_test.ts what takes time.
 */
import assert from "node:assert/strict";
import type { Request } from "../../src/fuse/mod.ts";
import { runProgram, serve, temporaryDirectory } from "./harness.ts";

/** A READ that answers only when its caller gives up. */
function heldRead() {
  const held = Promise.withResolvers<Request>();
  const read = (request: Request) => {
    held.resolve(request);
    return new Promise<Uint8Array>((_, reject) => {
      request.signal.addEventListener("abort", () => reject(request.signal.reason));
    });
  };
  return { held: held.promise, read };
}

const cat = (path: string) =>
  new Deno.Command("cat", { args: [path], stdin: "null", stdout: "null", stderr: "null" }).spawn();

Deno.test("a signal ends a client that waits for a read", async () => {
  const { held, read } = heldRead();
  await using served = await serve({ held: read });
  await using client = cat(`${served.mount.mountpoint}/held`);
  const request = await held;
  client.kill("SIGINT");
  assert.equal((await client.status).signal, "SIGINT");
  assert.equal(request.signal.aborted, true);
  assert.equal(request.uid, 0);
});

Deno.test("an error in a handler is EIO for its client, and the mount lives on", async () => {
  const bug = new Error("bug");
  const broken = () => {
    throw bug;
  };
  await using served = await serve({ broken, later: () => Promise.reject(bug) });
  const { err } = await served.run("cat broken; cat later");
  assert.equal(err.match(/Input\/output error/g)?.length, 2, err);
  assert.deepEqual(served.bugs.map(({ error, where }) => [error, where.opcode]), [[bug, "READ"], [
    bug,
    "READ",
  ]]);
  assert.equal(await served.sh("echo x > a; cat a"), "x\n");
});

Deno.test("clients go on while a read is held", async () => {
  const { held, read } = heldRead();
  await using served = await serve({ held: read });
  await using client = cat(`${served.mount.mountpoint}/held`);
  await held;
  assert.equal(await served.sh("echo x > a; cat a; ls"), "x\na\nheld\n");
  client.kill("SIGKILL");
  await client.status;
});

Deno.test("requests that arrive together are dispatched before a promise of theirs goes on", async () => {
  const log: string[] = [];
  const slow = async () => {
    log.push("dispatched");
    // The first READ blocks this thread until the others have been sent, so that one drain finds them all.
    if (log.length === 1) { for (const until = performance.now() + 500; performance.now() < until;); }
    await undefined;
    log.push("continued");
    return new Uint8Array();
  };
  await using served = await serve({ slow });
  const script = "exec 3<slow 4<slow 5<slow 6<slow; for fd in 3 4 5 6; do cat <&$fd & done; wait";
  await served.sh(script);
  assert.deepEqual(log, [
    ...["dispatched", "continued"],
    ...["dispatched", "dispatched", "dispatched"],
    ...["continued", "continued", "continued"],
  ]);
});

Deno.test("an unmount from outside ends the session", async () => {
  await using served = await serve();
  assert.equal((await runProgram("umount", [served.mount.mountpoint])).code, 0);
  assert.equal(await served.end, "unmounted");
  await served.mount.unmount("when-unused"); // is no error
});

Deno.test("Mount.unmount() refuses while a file is open, unless it is lazy", async () => {
  const { held, read } = heldRead();
  await using served = await serve({ held: read });
  await using client = cat(`${served.mount.mountpoint}/held`);
  await held;
  await assert.rejects(served.mount.unmount("when-unused"), /in use/);
  await served.mount.unmount("lazy");
  client.kill("SIGKILL");
  await client.status;
  assert.equal(await served.end, "unmounted");
});

Deno.test("the abort file ends the session, and held requests with it", async () => {
  const { held, read } = heldRead();
  await using served = await serve({ held: read });
  await using client = cat(`${served.mount.mountpoint}/held`);
  const request = await held;
  await using control = await temporaryDirectory();
  assert.equal((await runProgram("mount", ["-t", "fusectl", "none", control.path])).code, 0);
  await Deno.writeTextFile(`${control.path}/${served.mount.connection}/abort`, "1", { create: false });
  assert.equal(await served.end, "aborted");
  assert.equal(request.signal.aborted, true);
  assert.notEqual((await client.status).code, 0);
});

Deno.test("close() ends the session, and what held requests then answer goes out", async () => {
  const held = Promise.withResolvers<void>();
  const read = (request: Request) => {
    held.resolve();
    return new Promise<Uint8Array>((resolve) => {
      request.signal.addEventListener("abort", () => resolve(new TextEncoder().encode("bye\n")));
    });
  };
  await using served = await serve({ held: read });
  const client = runProgram("cat", [`${served.mount.mountpoint}/held`]);
  await held.promise;
  served.session.close();
  assert.equal(await served.end, "closed");
  await served.mount[Symbol.asyncDispose](); // or the client's next read would wait
  assert.equal((await client).out, "bye\n");
});
