import type { EnvironmentOptions } from "../settings.ts";

/** Variables of filed and its service manager: a job that spoke to that one would speak for filed. */
const KEPT_BACK = /^(FILED_.*|NOTIFY_SOCKET|LISTEN_.*)$/;
/** As Debian's login(1) sets it for root. */
const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const EQUALS = 61;

/**
 * The environment that all jobs start from.
 * @param environ The daemon's, as in environ(7): `NAME=value`, each any bytes but NUL.
 * @returns Such entries, by their names.
 */
export function jobEnvironment(
  { base, given }: EnvironmentOptions,
  environ: readonly Uint8Array[],
): Map<string, Uint8Array> {
  const encoder = new TextEncoder();
  const own = new Map(environ.flatMap((entry) => {
    const name = nameOf(entry);
    return name === "" ? [] : [[name, entry]];
  }));
  const entries = base === "daemon"
    ? new Map([...own].filter(([name]) => !KEPT_BACK.test(name)))
    : new Map([["PATH", encoder.encode(`PATH=${DEFAULT_PATH}`)]]);
  for (const { name, value } of given) {
    const entry = value === undefined ? own.get(name) : encoder.encode(`${name}=${value}`);
    if (entry) entries.set(name, entry);
  }
  return entries;
}

/** The name of an entry, one character for each byte; empty if it has none. */
function nameOf(entry: Uint8Array): string {
  return String.fromCharCode(...entry.subarray(0, Math.max(0, entry.indexOf(EQUALS))));
}
