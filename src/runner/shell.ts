import type { Pidfd } from "../sys/pidfd.ts";
import type { Accounts } from "./accounts.ts";
import { wrap } from "./command_line.ts";
import type { Exit, ProcessIdentity, StartMessage } from "./messages.ts";
import { holdProcess, readProcess } from "./processes.ts";

/** SIGRTMIN in glibc. */
const FIRST_REALTIME_SIGNAL = 34;

const SETSID_PATHS = ["/usr/bin/setsid", "/bin/setsid"];

/** A command could not be started; the message is for its log. */
export class NotStarted extends Error {
  override readonly name = "NotStarted";
}

/** Where a shell is started. */
export interface Host {
  accounts: Accounts;
  bootId: string;
  /** The path of setsid(1), if there is one. */
  setsid: string | undefined;
}

export function findSetsid(): string | undefined {
  return SETSID_PATHS.find((path) => {
    try {
      return Deno.statSync(path).isFile;
    } catch {
      return false;
    }
  });
}

/** The process that runs a command, in a session and a group of its own, which it leads. */
export class Shell implements Disposable {
  readonly leader: ProcessIdentity;
  /** Its standard output and error. */
  readonly pipe: ReadableStream<Uint8Array<ArrayBuffer>>;
  readonly exit: Promise<Exit>;
  readonly pidfd: Pidfd | undefined;

  private constructor(child: Deno.ChildProcess, bootId: string) {
    // It can't have been waited for since the spawn, so even if it has ended, this is it.
    const process = readProcess(child.pid);
    if (!process) throw new Error(`Cannot read /proc/${child.pid}/stat of a process just started`);
    this.leader = { pid: child.pid, startTicks: process.startTicks, bootId };
    this.pidfd = holdProcess(child.pid);
    this.pipe = child.stdout;
    this.exit = exitOf(child);
  }

  /** @throws {NotStarted} */
  static spawn(start: StartMessage, cgroup: string | undefined, host: Host): Shell {
    if (start.command.includes(0)) throw new NotStarted("the command contains a NUL byte");
    return new Shell(spawnDetached(start, cgroup, host), host.bootId);
  }

  [Symbol.dispose](): void {
    this.pidfd?.[Symbol.dispose]();
  }
}

function spawnDetached(start: StartMessage, cgroup: string | undefined, host: Host): Deno.ChildProcess {
  const { run, jobId, attempt, command, runAs } = start;
  const { setsid } = host;
  try {
    const account = runAs && host.accounts.of(runAs);
    return new Deno.Command("/bin/sh", {
      args: wrap({ command, credentials: account?.credentials, cgroup, setsid }),
      env: { ...account?.env, FILED_JOB_ID: jobId, FILED_ATTEMPT: String(attempt), FILED_RUN: run },
      ...account && { cwd: account.cwd },
      // This too calls setsid(2), but makes of a vfork a fork, which copies the page tables of the whole daemon: 7 ms
      // with 150 MB in use, where setsid(1) takes 0.4 ms.
      detached: setsid === undefined,
      stdin: "null",
      stdout: "piped",
      stderr: "null", // until the wrapper joins it to stdout
    }).spawn();
  } catch (error) {
    throw new NotStarted(reasonOf(error), { cause: error });
  }
}

async function exitOf(child: Deno.ChildProcess): Promise<Exit> {
  try {
    const { code, signal } = await child.status;
    return signal === null ? { kind: "exited", status: code } : { kind: "signaled", signal };
  } catch (error) {
    // Deno knows no names for the realtime signals.
    const number = error instanceof TypeError && /^Invalid signal: (\d+)$/.exec(error.message)?.[1];
    if (!number) throw error;
    return { kind: "signaled", signal: `SIGRTMIN+${Number(number) - FIRST_REALTIME_SIGNAL}` };
  }
}

/** `Failed to spawn '/bin/sh': Argument list too long (os error 7)` in fewer words. */
function reasonOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  const [, reason = message] = /^Failed to spawn '[^']*': (.*?)(?: \(os error \d+\))?$/s.exec(message) ?? [];
  return reason.slice(0, 1).toLowerCase() + reason.slice(1);
}
