/**
 * The commands of the load's jobs. Each has a version of its own that names what it does, so that what ran can be told
 * from its marks. A run marks its start and its end in a journal outside of the mount, and holds a lock of its id for as
 * long as any process of it lives.
 */
import type { Random } from "./random.ts";

interface Kind {
  /** What comes after the output, before the mark of the end. */
  body: string;
  /** Whether some attempt of it ends with exit status 0. */
  succeeds: boolean;
}

const KINDS = {
  short: { body: "", succeeds: true },
  slow: { body: "sleep 0.1; echo slept; sleep 0.2", succeeds: true },
  failing: { body: "exit 3", succeeds: false },
  flaky: { body: "[ $FILED_ATTEMPT = 1 ] && exit 4", succeeds: true },
  // It leaves a process behind that is no longer of the job, and so no longer has its lock.
  leaving: { body: "LEFT=1 setsid sleep 1 9>&- >/dev/null 2>&1 &", succeeds: true },
  hanging: { body: "sleep 60", succeeds: false },
  forking: { body: "sleep 60 & sh -c 'sleep 60 & sleep 60' & wait", succeeds: false },
  detaching: { body: "setsid sh -c 'sleep 60; :' & sleep 60", succeeds: false },
  daemonizing: { body: "(setsid sh -c '(sleep 60; :) &' &) ; sleep 60", succeeds: false },
  stopping: { body: "kill -STOP $$; sleep 60", succeeds: false },
  stubborn: { body: "trap '' TERM; while :; do sleep 60; done", succeeds: false },
} as const satisfies Record<string, Kind>;

type KindName = keyof typeof KINDS;

/** How often each kind comes. */
const MIX: readonly [KindName, ...KindName[]] = [
  "short",
  "short",
  "short",
  "short",
  "slow",
  "slow",
  "failing",
  "failing",
  "flaky",
  "flaky",
  "leaving",
  "hanging",
  "forking",
  "detaching",
  "daemonizing",
  "stopping",
  "stubborn",
  "stubborn",
];

/** A version that no other job has, given a number that no other has. */
export function newVersion(random: Random, number: string): string {
  return `${random.pick(MIX)}-${random.between(0, 60)}-${number}`;
}

export function commandOf(version: string): string {
  if (isPart(version)) return piecesOf(version.slice(0, -PART.length))[0];
  const mark = (word: string) =>
    `echo "${word} $FILED_JOB_ID $FILED_RUN $FILED_ATTEMPT ${version}" >> "$SOAK/journal"`;
  return `# ${version}
exec 9>> "$SOAK/locks/$FILED_JOB_ID"
flock -n 9 || ${mark("overlap")}
${mark("start")}
echo "run $FILED_RUN"
i=0; while [ $i -lt ${linesOf(version)} ]; do echo "line $i"; i=$((i + 1)); done
${kindOf(version).body}
${mark("end")}
exit 0
`;
}

/** A command as a program with a small buffer writes it. What ends with the first piece can't run: a quote is open. */
export function piecesOf(version: string): [string, string, string] {
  const command = commandOf(version);
  const first = command.indexOf("overlap") + 4;
  const second = command.lastIndexOf("exit");
  return [command.slice(0, first), command.slice(first, second), command.slice(second)];
}

const PART = "/part";

/** The version of what a write leaves that was cut short. */
export function partOf(version: string): string {
  return version + PART;
}

export function isPart(version: string): boolean {
  return version.endsWith(PART);
}

/** The version that a command is of, or a part of; `undefined`: it is none of ours. */
export function versionOf(command: string): string | undefined {
  const version = /^# ([a-z]+-\d+-[\w.]+)\n/.exec(command)?.[1];
  if (version === undefined) return undefined;
  if (commandOf(version) === command) return version;
  return piecesOf(version)[0] === command ? partOf(version) : undefined;
}

/** How many numbered lines it writes. */
export function linesOf(version: string): number {
  return Number(version.split("-")[1]);
}

/** What a run of it writes, if it comes so far. */
export function outputOf(version: string, run: string): string {
  const lines = Array.from({ length: linesOf(version) }, (_, index) => `line ${index}\n`).join("");
  return `run ${run}\n${lines}${version.startsWith("slow-") ? "slept\n" : ""}`;
}

export function succeeds(version: string): boolean {
  return !isPart(version) && kindOf(version).succeeds;
}

function kindOf(version: string): Kind {
  return KINDS[version.split("-")[0] as KindName];
}
