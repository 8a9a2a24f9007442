import { getLogger } from "@logtape/logtape";
import { dirname, resolve } from "node:path";
import type { Settings } from "../settings.ts";
import { assemble, type AssemblyOptions, disposing } from "./assemble.ts";
import { MountPoint } from "./mount_point.ts";
import { StateKeeper } from "./state_keeper.ts";
import { prepareStateFile } from "./state_path.ts";
import { jobEnvironment } from "./environment.ts";
import type { StatFs } from "../fuse/mod.ts";
import { openJournal } from "./journal.ts";
import { Notifier } from "./notify.ts";
import { changedStates } from "../queue/events.ts";
import type { Queue } from "../queue/queue.ts";
import { IdleTimer } from "./idle.ts";
import { Executor } from "../run/executor.ts";
import { identityOf, userOf } from "../schedule/target_user.ts";
import { confine, prepareSandbox } from "./sandbox.ts";
import { FILE_SYSTEM_TYPE, serve } from "./serve.ts";
import { Shrinking } from "./shrinking.ts";
import { StartError } from "./start_error.ts";
import { StopSignals } from "./stop_signals.ts";
import { Alarm } from "../schedule/alarm.ts";
import { environ } from "../sys/processes/environ.ts";
import { releaseMemory } from "../sys/release_memory.ts";
import { standInOf } from "../sys/processes/subuid.ts";
import { SqliteStore } from "../store/sqlite/store.ts";
import { Accounts } from "../tree/accounts.ts";
import { VERSION } from "../version.ts";

const log = getLogger(["filed", "daemon"]);

/** Who may have which user ids besides their own. */
const SUBUID = "/etc/subuid";
/** After so long, both threads have run what they run once. */
const STARTED_MS = 1_000;
/** When nothing has changed for so long, nothing may change for much longer. */
const QUIET_MS = 10_000;

/**
 * Serves a queue until it is told to stop, or its mount point is unmounted.
 * @throws {StartError | StoreError | MountError} If it can't start; then no mount and no process is left.
 */
export async function runDaemon(settings: Settings): Promise<void> {
  await using _journal = await openJournal(settings);
  using signals = new StopSignals();
  await using opened = await open(settings);
  const failure = Promise.withResolvers<Error>();
  using _bugs = onBug(failure.resolve);

  await using alarm = new Alarm();
  await using parts = await assemble(worldOf(settings, opened, alarm, failure.resolve));
  const { queue, scheduler, executor, tree } = parts;

  await using served = await serve(settings, opened.mountpoint, tree, opened.store);
  if (opened.sandbox) await confine(executor, opened.sandbox, opened.stateFile);
  await scheduler.start(executor);
  using notifier = new Notifier(settings.notifySocket, () => statusOf(queue));
  queue.subscribe((event) => changedStates(event).length > 0 && notifier.changed());
  await Promise.race([Deno.stat(opened.mountpoint), served.ended]); // Answered by us: the kernel has taken what we said to INIT.
  await notifier.ready();
  log.info("ready", {
    mountpoint: opened.mountpoint,
    state: opened.stateFile,
    pid: Deno.pid,
    version: VERSION,
  });
  using _tidying = tidyWhenQuiet(queue, opened);
  const reason = await Promise.race([signals.first, served.ended, served.gone, failure.promise]);

  notifier.stopping();
  log.info("stopping", { reason: reason instanceof Error ? reason.message : reason });
  await scheduler.stop(reason instanceof Error ? 0 : settings.graceMs, signals.second);
  await served.end();
  if (reason instanceof Error) throw reason;
  log.info("stopped");
}

/** What is there before the queue: its state file, and where it will be mounted. */
type Opened = Awaited<ReturnType<typeof open>>;

async function open(settings: Settings) {
  const sandbox = settings.sandbox && prepareSandbox(settings.sandbox);
  const stateFile = await prepareStateFile(settings);
  await using stack = new AsyncDisposableStack();
  const accountOf = standInOf(await Deno.readTextFile(SUBUID).catch(() => ""));
  const store = stack.use(SqliteStore.open(stateFile, Date.now, accountOf));
  const keeper = stack.use(new StateKeeper(store, stateFile));
  const place = stack.use(await MountPoint.prepare(settings.mountpoint, FILE_SYSTEM_TYPE));
  if (stateFile.startsWith(`${place.path}/`)) {
    throw new StartError(`The state file ${stateFile} is in the mount point; name another file with --state`);
  }
  await place.lookBelow();
  return { sandbox, stateFile, store, keeper, mountpoint: place.path, ...disposing(stack.move()) };
}

/** What the parts of this daemon need of the world. */
function worldOf(
  settings: Settings,
  { store, stateFile }: Opened,
  alarm: Alarm,
  onFailure: (error: Error) => void,
): AssemblyOptions {
  const owner = { uid: Deno.uid() ?? 0, gid: Deno.gid() ?? 0 };
  const policy = { uid: owner.uid, runAs: settings.runAs };
  return {
    store,
    alarm,
    identityOf: (job) => identityOf(job, policy),
    userOf: (uid) => userOf(uid, policy),
    onFailure: (error) => onFailure(error as Error),
    executor: (events, identity) =>
      new Executor(events, {
        environment: jobEnvironment(settings.environment, environ()),
        identity,
        openFiles: settings.jobOpenFiles,
        execDirectories: [...settings.execDirectories.map((path) => resolve(path)), dirname(stateFile)],
        dataDirectory: dirname(stateFile),
      }),
    tree: {
      owner,
      statfs: () => statfsOf(dirname(stateFile)),
      accounts: new Accounts({ accountOf: store.accountOf }),
    },
  };
}

/** Makes memory and the state file smaller once nothing has happened for a while. */
function tidyWhenQuiet(queue: Queue, { store, keeper }: Opened): Disposable {
  using stack = new DisposableStack();
  const shrinking = stack.use(new Shrinking(() => store.shrink()));
  const tidy = () => {
    tidyMemory();
    shrinking.start();
  };
  const afterStart = stack.use(new IdleTimer(tidy, STARTED_MS));
  const afterChanges = stack.use(new IdleTimer(tidy, QUIET_MS, undefined, () => keeper.look()));
  afterStart.disturb();
  queue.subscribe((event) => changedStates(event).length > 0 && afterChanges.disturb());
  return stack.move();
}

async function statfsOf(directory: string): Promise<StatFs> {
  // Not at the start, as it takes longer to load than all of filed.
  const { statfs } = await import("node:fs/promises");
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
