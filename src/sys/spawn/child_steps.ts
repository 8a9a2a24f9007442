import { type Arena, CMemory } from "../c_memory.ts";
import { type Step, toSucceed } from "./child_code.ts";
import { auditedAs, becoming } from "./credentials.ts";
import { ignoredSignals } from "../processes/ignored_signals.ts";
import { joiningSessionKeyring, linkingUserKeyring } from "./keyring.ts";
import { niceness } from "../processes/process.ts";
import { restricting } from "./restriction.ts";
import { RLIMIT } from "../processes/rlimit.ts";
import type { SpawnSpec } from "./spec.ts";
import { type SystemCall, systemCall } from "../system_call.ts";

// asm/signal.h
const SIG_SETMASK = 2;
const SIGSET_BYTES = 8n; // of which the kernel knows
const SIGACTION_BYTES = 32;
const SIG_IGN = 1;
const LAST_SIGNAL = 64;
const UNTOUCHABLE = [9, 19]; // SIGKILL, SIGSTOP
const PRIO_PROCESS = 0n; // sys/resource.h
const NICEST = 19;
const LAST_FD = 0xffff_ffffn;

/**
 * All that a child does between its start and its program, in this order:
 *
 * 1. It leaves our session, and takes no signal that was meant for us.
 * 2. It gets its descriptors, and lets all of ours go: what it waits for from here on holds none of them.
 * 3. It takes on what every process of the job is to have: keyring, audit's user, niceness, limits.
 * 4. It confines itself, which takes root's rights, and shows that it has.
 * 5. It becomes its user.
 * 6. It enters its directory, as that user, and executes its program.
 *
 * @param arena Where the calls find what they point to.
 * @param sources The spec's descriptors, then that of its restriction's ruleset: all above those that they
 * become.
 * @param handlers Whether the clone has set all handlers of signals to their defaults.
 */
export function stepsOf(
  { path, program, args, env, cwd, onlyIn, restriction, credentials, nice, rlimits }: SpawnSpec,
  arena: Arena,
  sources: readonly number[],
  handlers: "cleared" | "ours",
): Step[] {
  const ruleset = sources.length - 1;
  const execve = systemCall("execve", arena.text(path), arena.texts(args), arena.texts(env));
  return [
    ...toSucceed(systemCall("setsid"), ...signals(handlers)),
    ...toSucceed(...sources.map((from, to) => systemCall("dup3", BigInt(from), BigInt(to), 0n))),
    ...closingFrom(sources.length),
    ...joiningSessionKeyring(),
    ...credentials ? auditedAs(credentials, sources.length, arena) : [],
    ...nice > 0 ? toSucceed(systemCall("setpriority", PRIO_PROCESS, 0n, nicer(nice))) : [],
    ...rlimits.flatMap(({ resource, soft, hard }) => {
      const limit = arena.numbers(BigUint64Array.of(BigInt(soft), BigInt(hard))); // struct rlimit
      return toSucceed(systemCall("prlimit64", 0n, BigInt(RLIMIT[resource]), limit, 0n));
    }),
    ...restriction ? restricting(restriction, ruleset, arena) : [],
    ...credentials ? becoming(credentials, arena) : [],
    ...credentials && !restriction ? linkingUserKeyring() : [],
    ...restriction ? closingFrom(ruleset) : credentials ? closingFrom(sources.length) : [],
    ...onlyIn === undefined ? entering(cwd, arena) : toSucceed(systemCall("chdir", arena.text(onlyIn))),
    ...toSucceed(systemCall("rt_sigprocmask", BigInt(SIG_SETMASK), NO_SIGNALS.address, 0n, SIGSET_BYTES)),
    ...program === "just written" ? tryingFirst(execve) : [],
    ...toSucceed(execve),
  ];
}

/** Makes the call, and waits a while, as often as who is in its way may need. */
function tryingFirst(call: SystemCall): Step[] {
  const sleep = systemCall("nanosleep", BUSY_TIME.address, 0n);
  return Array.from({ length: BUSY_TRIES }, () => [call, sleep]).flat()
    .map((call) => ({ call, is: "either way" }));
}

/** The last that can be entered is where it stays. */
function entering(cwd: readonly string[], arena: Arena): Step[] {
  const chdir = (path: string) => systemCall("chdir", arena.text(path));
  return [
    ...toSucceed(chdir("/")),
    ...cwd.toReversed().map((path) => ({ call: chdir(path), is: "either way" as const })),
  ];
}

/** Before Linux 5.9 there is no such call: there, execve(2) closes them. */
function closingFrom(fd: number): Step[] {
  return [{ call: systemCall("close_range", BigInt(fd), LAST_FD, 0n), is: "either way" }];
}

/** A niceness for setpriority(2). */
function nicer(by: number): bigint {
  return BigInt.asUintN(64, BigInt(Math.min(niceness() + by, NICEST)));
}

function signals(handlers: "cleared" | "ours"): SystemCall[] {
  const kept = handlers === "cleared" ? [...FROM_TERMINAL, ...IGNORED] : ALL_SIGNALS;
  return [
    // To ignore a signal is to forget one that has come.
    ...FROM_TERMINAL.map((signal) => acting(signal, IGNORING)),
    ...kept.map((signal) => acting(signal, DEFAULT_ACTION)),
  ];
}

function acting(signal: number, action: CMemory): SystemCall {
  return systemCall("rt_sigaction", BigInt(signal), action.address, 0n, SIGSET_BYTES);
}

const DEFAULT_ACTION = new CMemory(SIGACTION_BYTES);
const IGNORING = CMemory.of(new Uint8Array(SIGACTION_BYTES).with(0, SIG_IGN));
/** SIGHUP, SIGINT, SIGQUIT, which a terminal sends to our group: a child is in it until its own session. */
const FROM_TERMINAL = [1, 2, 3];
const ALL_SIGNALS = Array.from({ length: LAST_SIGNAL }, (_, i) => i + 1).filter((signal) =>
  !UNTOUCHABLE.includes(signal)
);
const NO_SIGNALS = new CMemory(Number(SIGSET_BYTES));
/** A fork and its execve(2) take a few ms on a busy machine. What fails for good is 60 ms late by these. */
const BUSY_TRIES = 3;
const BUSY_TIME = timespec(20_000_000n);

/** A struct timespec of less than a second. */
function timespec(ns: bigint): CMemory {
  const words = BigUint64Array.of(0n, ns);
  return CMemory.of(new Uint8Array(words.buffer));
}

/** The signals that this process ignores, which a program would go on to ignore. */
const IGNORED = [...ignoredSignals()];
