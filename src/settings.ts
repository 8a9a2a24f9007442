export const LOG_LEVELS = ["debug", "info", "warn", "error"] as const;
export const LOG_FORMATS = ["text", "json"] as const;
export const RUN_AS_POLICIES = ["owner", "daemon"] as const;
/** Seconds that running jobs get when filed stops, unless it is told otherwise. */
export const DEFAULT_GRACE_SEC = 10;

/** The wishes of the command line and the environment. */
export interface Settings {
  mountpoint: string;
  stateFile: string;
  /** Whether we make the state file's directory where it is missing: not for a path that somebody named. */
  stateDirectory: "made" | "expected";
  /** How long running jobs get when filed stops. */
  graceMs: number;
  /** Who sees the mount. Root's is for everyone in any case. */
  admit: "owner" | "everyone";
  /** Whom root's daemon runs jobs as: each as its file's owner, or all as itself. Others have no choice. */
  runAs: (typeof RUN_AS_POLICIES)[number];
  environment: EnvironmentOptions;
  logLevel: (typeof LOG_LEVELS)[number];
  logFormat: (typeof LOG_FORMATS)[number];
  /** Confines jobs; absent: they are not confined. */
  sandbox?: SandboxOptions;
  /** Where files may be that jobs are executed from, as given, in the order of preference. */
  execDirectories: string[];
  /** The soft limit of open files that jobs begin with, as the runtime has raised ours. `undefined`: ours. */
  jobOpenFiles?: number;
  /** The socket of a service manager that wants to hear how filed is, sd_notify(3). */
  notifySocket?: string;
}

export type PathRule = { option: "--ro" | "--rw" | "--exec"; path: string };
export type PortRule = { option: "--connect" | "--bind"; port: number };

export interface SandboxOptions {
  /** "require": no start where the kernel can't enforce all of it. */
  enforcement: "as-far-as-possible" | "require";
  /** As given, and so relative to where filed was started. */
  paths: PathRule[];
  ports: PortRule[];
  /** Where the jobs' own temporary folders are made. */
  tempDirectory: string;
}

/** The variables that jobs get of the daemon's environment. */
export interface EnvironmentOptions {
  /** `none`: nothing but a PATH. */
  base: "daemon" | "none";
  /** Named one by one, the last of a name counts: with a value, or as the daemon has it. */
  given: { name: string; value: string | undefined }[];
}

/** Variables of which each job has its own. */
const OF_A_JOB = ["FILED_JOB_ID", "FILED_ATTEMPT", "FILED_RUN"];
/** Whether jobs can be given a variable of that name. */
export function isSettable(name: string): boolean {
  return !OF_A_JOB.includes(name) && !name.startsWith("FILED_POOL_");
}
