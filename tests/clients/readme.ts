/** The README's examples, as they are written there, and a place where /tmp/filed-jobs is nobody else's. */
import { ok, type Place, run } from "../harness.ts";
import { Program } from "../program.ts";

const README = await Deno.readTextFile(new URL("../../README.md", import.meta.url));
const BLOCK = /^```(\w+)\n(.*?)^```$/gms;
const BLOCKS = [...README.matchAll(BLOCK)].map(([, language, text]) => ({ language, text: text as string }));

/** The block of code in that language that has that text. @throws If the README has no such one. */
export function example(language: string, has: string): string {
  const block = BLOCKS.find((block) => block.language === language && block.text.includes(has));
  if (!block) throw new Error(`The README has no example in ${language} with ${has}`);
  return block.text;
}

/** The code between backticks that begins like that. @throws If the README has none. */
export function inline(start: RegExp): string {
  for (const [, code] of README.matchAll(/`([^`\n]+)`/g)) if (code?.match(start)?.index === 0) return code;
  throw new Error(`The README has no code that begins with ${start}`);
}

/** A command of the session, and what it prints. */
export interface Step {
  command: string;
  output: string;
}

/** The session, without its comments. `…` stands for pending/, as the README says. */
export function session(): Step[] {
  return example("console", "$ ").split(/^\$ /m).slice(1).map((step) => {
    const [command = "", ...output] = step.split("\n");
    return {
      command: command.replace(/ {2,}#.*$/, "").replaceAll("…", `${MOUNT}/pending`),
      output: output.join("\n"),
    };
  });
}

/** Where the README mounts its queue. */
export const MOUNT = "/tmp/filed-jobs";

/** Mounts a /tmp that is empty but for the folders in it that are named, and runs the rest of the command line there. */
const WITH_OWN_TMP = `
set -e
new=$1
shift
mount -t tmpfs tmpfs "$new"
while [ "$1" != -- ]; do
  mkdir -p "$new\${1#/tmp}"
  mount --bind "$1" "$new\${1#/tmp}"
  shift
done
shift
mount --rbind "$new" /tmp
exec "$@"`;

/** Starts `filed /tmp/filed-jobs`, its home in the place. */
export async function startAsWritten(place: Place): Promise<Program> {
  const own = `${place.path}/tmp`;
  await Deno.mkdir(own);
  const paths = [place.path, Deno.execPath(), new URL("../..", import.meta.url).pathname];
  for (const name of ["FILED", "DENO_DIR", "XDG_CACHE_HOME", "TMPDIR"]) paths.push(Deno.env.get(name) ?? "");
  const kept = paths.flatMap((path) => /^\/tmp\/[^/]+/.exec(path) ?? []);
  const namespace = ["unshare", "--mount", "--propagation", "private"];
  const filed = Program.start([MOUNT], { HOME: place.path }, [
    ...namespace,
    ...["sh", "-c", WITH_OWN_TMP, "sh", own, ...new Set(kept), "--"],
  ]);
  await filed.says(/INFO ready/);
  return filed;
}

/** Runs a shell script where that filed's mount is. @returns What it printed. */
export function there(filed: Program, place: Place, script: string): Promise<string> {
  const enter = ["nsenter", `--target=${filed.pid}`, "--mount", "--root", "--"];
  return ok(run([...enter, "timeout", "28s", "sh", "-c", `cd "$HOME" || exit\n${script}`], {
    HOME: place.path,
    CLIENTS: new URL(".", import.meta.url).pathname.replace(/\/$/, ""),
  }));
}
