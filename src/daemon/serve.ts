import { getLogger } from "@logtape/logtape";
import { mount, MountWatch, Session, type SessionEnd } from "../fuse/mod.ts";
import type { Settings } from "../settings.ts";
import { errnoOf } from "../tree/errors.ts";
import type { Tree } from "../tree/tree.ts";
import { atMost } from "../sys/waiting/deadline.ts";
import { disposing } from "./assemble.ts";

const log = getLogger(["filed", "daemon"]);

const NAME = "filed";
/** As the kernel tells it of each mount. */
export const FILE_SYSTEM_TYPE = `fuse.${NAME}`;
/** How long open files may keep an unmounted file system alive: until then we answer them. */
const UNMOUNT_MS = 250;

/** A tree that can be used through the kernel. */
interface Served extends AsyncDisposable {
  /** Nothing is served any more. */
  ended: Promise<SessionEnd>;
  /** It is mounted no more, though a file that is open there may still be served. */
  gone: Promise<"unmounted">;
  /** Unmounts, and serves on for as long as files are open there, within bounds. */
  end(): Promise<void>;
}

/**
 * @param store What all requests that came together have changed is committed at once.
 * @throws {MountError} If it can't be mounted.
 */
export async function serve(
  settings: Settings,
  mountpoint: string,
  tree: Tree,
  store: { commit(): void },
): Promise<Served> {
  await using stack = new AsyncDisposableStack();
  const mounted = stack.use(
    await mount(mountpoint, {
      fsname: NAME,
      subtype: NAME,
      admit: Deno.uid() === 0 ? "everyone" : settings.admit,
    }),
  );
  const session = stack.use(
    new Session(mounted.fd, tree, {
      onError: (error, where) => {
        log.error("request failed", { ...where, error });
        return errnoOf(error);
      },
      onDrained: () => store.commit(),
      ...settings.logLevel === "debug"
        ? { onReply: (where, errno) => log.debug("request", { ...where, errno }) }
        : {},
    }),
  );
  const ended = session.run();
  const watch = stack.use(new MountWatch(mounted));
  return {
    ended,
    gone: watch.gone.then(() => "unmounted" as const),
    end: async () => {
      await mounted.unmount("lazy");
      await atMost(UNMOUNT_MS, ended);
    },
    ...disposing(stack.move()),
  };
}
