/**
 * A server of a memory file system, for tests that need one in a process of its own: prints `mounted`, serves
 * until it is unmounted or gets SIGTERM, and prints how that ended. If it can't mount, it prints why and
 * exits with 1. With `watch`, it also prints `gone` when a watch says so, and it is.
 *
 * Usage: serve.ts MOUNTPOINT [owner|everyone] [clear|stack|watch]
 */
import { clearStale, mount, MountError, MountWatch, readMountInfo, Session } from "../../src/fuse/mod.ts";
import { OPTIONS, TYPE } from "./harness.ts";
import { MemoryFs } from "./memory_fs.ts";

const [mountpoint, admit, existing] = Deno.args;
if (mountpoint === undefined) {
  throw new Error("Usage: serve.ts MOUNTPOINT [owner|everyone] [clear|stack|watch]");
}
try {
  if (existing !== "stack") await clearStale(mountpoint, TYPE);
  const options = { ...OPTIONS, admit: admit === "everyone" ? "everyone" : "owner" } as const;
  await using mounted = await mount(mountpoint, options);
  await using session = new Session(mounted.fd, new MemoryFs(), { onError: console.error });
  const end = session.run();
  Deno.addSignalListener("SIGTERM", () => mounted.unmount("lazy"));
  const isListed = () => readMountInfo().some((listed) => listed.mountpoint === mountpoint);
  const noticed = existing === "watch" &&
    new MountWatch(mounted).gone.then(() => console.log(isListed() ? "gone, though it is there" : "gone"));
  console.log("mounted");
  console.log(await end);
  await noticed; // by a thread of its own: it may be later than the session
} catch (error) {
  if (!(error instanceof MountError)) throw error;
  console.log(`${error.refusal}: ${error.message}`);
  Deno.exitCode = 1;
}
Deno.exit();
