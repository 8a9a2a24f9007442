import assert from "node:assert/strict";
import { close } from "../../sys/files/file.ts";
import { readKernelLink } from "../../sys/files/kernel_files.ts";
import { ErrnoError } from "../../sys/errno.ts";
import { Reactor } from "../reactor.ts";
import { Lookup, realPathOf } from "./look_up.ts";

/** At first, where the kernel watches no more descriptors: calls back for a pipe though nothing is in it. */
class HastyReactor extends Reactor {
  #isHasty = true;

  override watch(fd: number, onReady: () => void): Disposable {
    if (!this.#isHasty || !readKernelLink(`/proc/self/fd/${fd}`).startsWith("pipe:")) {
      return super.watch(fd, onReady);
    }
    this.#isHasty = false;
    queueMicrotask(onReady);
    return { [Symbol.dispose]() {} };
  }
}

for (const kind of [Reactor, HastyReactor]) {
  Deno.test(`a lookup with a ${kind.name} finds what is at a path`, async () => {
    await using reactor = new kind();
    const found = await new Lookup("/usr/bin/..", reactor).found;
    assert.ok(!(found instanceof ErrnoError), String(found));
    assert.equal(found.kind, "directory");
    assert.equal(realPathOf(found), "/usr");
    close(found.fd);
  });
}
