import { getLogger } from "@logtape/logtape";
import { dirname } from "node:path";
import type { Settings } from "../settings.ts";
import { MountPoint } from "./mount_point.ts";
import { StateKeeper } from "./state_keeper.ts";
import { prepareStateFile } from "./state_path.ts";
import { jobEnvironment } from "./environment.ts";
import { type Mount, mount, MountWatch, Session, type SessionEnd, type StatFs } from "../fuse/mod.ts";
import { openLog } from "./journal.ts";
import { Notifier } from "./notify.ts";
import { Queue } from "../queue/queue.ts";
import { Rest } from "./idle.ts";
import { Executor } from "../run/executor.ts";
import { identityOf } from "../schedule/target_user.ts";
import { confine, prepareSandbox } from "./sandbox.ts";
import { Scheduler } from "../schedule/scheduler.ts";
import { Shrinking } from "./shrinking.ts";
import { StartError } from "./start_error.ts";
import { StopSignals } from "./stop_signals.ts";
import { Alarm } from "../schedule/alarm.ts";
import { environ } from "../sys/processes/environ.ts";
import { releaseMemory } from "../sys/release_memory.ts";
import { atMost } from "../sys/waiting/deadline.ts";
import { standInOf } from "../sys/processes/subuid.ts";
import { SqliteStore } from "../store/sqlite/store.ts";
import { Accounts } from "../tree/accounts.ts";
import { errnoOf } from "../tree/errors.ts";
import { Tree } from "../tree/tree.ts";
import { VERSION } from "../version.ts";

const log = getLogger(["filed", "daemon"]);

const NAME = "filed";
/** Who may have which user ids besides their own. */
const SUBUID = "/etc/subuid";
/** After so long, both threads have run what they run once. */
const STARTED_MS = 1_000;
/** When nothing has changed for so long, nothing may change for much longer. */
const QUIET_MS = 10_000;
/** How long open files may keep an unmounted file system alive: what they still ask is answered until then. */
const UNMOUNT_MS = 250;

/**
 * Serves a queue until it is told to stop, or its mount point is unmounted.
 * @throws {StartError | StoreError | MountError} If it can't start; then no mount and no process is left.
 */
export async function runDaemon(settings: Settings): Promise<void> {
  await using _log = await openLog({ level: settings.logLevel, format: settings.logFormat });
  using signals = new StopSignals();
  const sandbox = settings.sandbox && prepareSandbox(settings.sandbox);
  const stateFile = await prepareStateFile(settings);
  await using store = SqliteStore.open(stateFile);
  await using keeper = new StateKeeper(store, stateFile);
  await using place = await MountPoint.prepare(settings.mountpoint, `fuse.${NAME}`);
  const mountpoint = place.path;
  if (stateFile.startsWith(`${mountpoint}/`)) {
    throw new StartError(`The state file ${stateFile} is in the mount point; name another file with --state`);
  }
  await place.lookBelow();
  const { uid, gid } = { uid: Deno.uid() ?? 0, gid: Deno.gid() ?? 0 };
  const queue = new Queue(store);
  const failure = Promise.withResolvers<Error>();
  using _bugs = onBug(failure.resolve);
  await using alarm = new Alarm();
  const scheduler = new Scheduler(queue, {
    alarm,
    identityOf: (job) => identityOf(job, { uid, runAs: settings.runAs }),
    onFailure: (error) => failure.resolve(error as Error),
  });
  await using executor = new Executor(scheduler, {
    environment: jobEnvironment(settings.environment, environ()),
    identity: await queue.identity(),
    openFiles: settings.jobOpenFiles,
  });
  using tree = new Tree(queue, {
    owner: { uid, gid },
    statfs: () => statfsOf(dirname(stateFile)),
    accounts: new Accounts({ accountOf: standInOf(await Deno.readTextFile(SUBUID).catch(() => "")) }),
  });
  await using mounted = await mount(mountpoint, {
    fsname: NAME,
    subtype: NAME,
    admit: uid === 0 ? "everyone" : settings.admit,
    permissions: "kernel",
  });
  await using session = new Session(mounted.fd, tree, {
    onError: (error, where) => {
      log.error("request failed", { ...where, error });
      return errnoOf(error);
    },
    ...settings.logLevel === "debug"
      ? { onReply: (where, errno) => log.debug("request", { ...where, errno }) }
      : {},
  });
  const ended = session.run();
  await using watch = new MountWatch(mounted);
  if (sandbox) await confine(executor, sandbox, stateFile);
  await scheduler.start(executor);
  using notifier = new Notifier(settings.notifySocket, () => statusOf(queue));
  queue.watch({ onChanged: () => notifier.changed() });
  await Promise.race([Deno.stat(mountpoint), ended]); // Answered by us: the kernel has taken what we said to INIT.
  await notifier.ready();
  log.info("ready", { mountpoint, state: stateFile, pid: Deno.pid, version: VERSION });
  using shrinking = new Shrinking(() => store.shrink());
  const tidy = () => {
    tidyMemory();
    shrinking.start();
  };
  using afterStart = new Rest(tidy, STARTED_MS);
  using afterChanges = new Rest(tidy, QUIET_MS, undefined, () => keeper.look());
  afterStart.disturb();
  queue.watch({ onChanged: () => afterChanges.disturb() });

  const reason = await Promise.race([
    signals.first,
    ended,
    watch.gone.then(() => "unmounted"),
    failure.promise,
  ]);
  notifier.stopping();
  log.info("stopping", { reason: reason instanceof Error ? reason.message : reason });
  await scheduler.stop(reason instanceof Error ? 0 : settings.graceMs, signals.second);
  await endMount(mounted, ended);
  if (reason instanceof Error) throw reason;
  log.info("stopped");
}

async function statfsOf(directory: string): Promise<StatFs> {
  const { statfs } = await import("node:fs/promises"); // Takes longer to load than all of filed: not at the start.
  const { bsize, blocks, bfree, bavail, files, ffree } = await statfs(directory, { bigint: true });
  return {
    blocks,
    blocksFree: bfree,
    blocksAvailable: bavail,
    files,
    filesFree: ffree,
    blockSizeBytes: Number(bsize),
    fragmentSizeBytes: Number(bsize),
    nameMax: 255,
  };
}

function tidyMemory() {
  try {
    releaseMemory();
  } catch (error) {
    log.warn("cannot give memory back", { error });
  }
}

/** Hears of an error that nobody has caught, which would end the process with the mount left dead. */
function onBug(act: (error: Error) => void): Disposable {
  const listener = (event: PromiseRejectionEvent | ErrorEvent) => {
    event.preventDefault();
    act((event instanceof ErrorEvent ? event.error : event.reason) as Error);
  };
  globalThis.addEventListener("unhandledrejection", listener);
  globalThis.addEventListener("error", listener);
  return {
    [Symbol.dispose]() {
      globalThis.removeEventListener("unhandledrejection", listener);
      globalThis.removeEventListener("error", listener);
    },
  };
}

/** One line for `systemctl status`. */
async function statusOf(queue: Queue): Promise<string> {
  return `${await queue.count("active")} active, ${await queue.count("pending")} pending`;
}

/** Unmounts, and serves on for as long as files are open there, within bounds. */
async function endMount(mounted: Mount, ended: Promise<SessionEnd>): Promise<void> {
  await mounted.unmount("lazy");
  await atMost(UNMOUNT_MS, ended);
}
