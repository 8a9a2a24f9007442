/** Which of the programs that these tests use are there, and which may be missing. */

/** The programs in a list, with the Debian package of each. */
function listed(name: string): Map<string, string> {
  const lines = Deno.readTextFileSync(new URL(name, import.meta.url)).split("\n");
  return new Map(
    lines.filter((line) => line !== "" && !line.startsWith("#"))
      .map((line) => line.split(":") as [string, string]),
  );
}

const LANGUAGES = listed("../languages");
const PACKAGE_OF = new Map([...listed("programs"), ...LANGUAGES]);
/** As the Makefile says. */
const HAS_ALL_LANGUAGES = Deno.env.get("LANGUAGES") === "all";

/** Where programs are; sshd is not on everybody's PATH. */
const FOLDERS = [...(Deno.env.get("PATH") ?? "").split(":"), "/usr/sbin"];

/** Those of the programs that are listed, and not there. */
export function missing(programs: readonly string[]): string[] {
  return programs.filter((name) =>
    PACKAGE_OF.has(name) && !FOLDERS.some((folder) => isFile(`${folder}/${name}`))
  );
}

/**
 * Whether a test that lacks these programs is left out and named, instead of failing. A language that is
 * missing may be left out, unless all are asked for; of what else is missing, root has to install it.
 */
export function mayLeaveOut(lacking: readonly string[]): boolean {
  if (lacking.length === 0 || HAS_ALL_LANGUAGES) return false;
  return Deno.uid() !== 0 || lacking.every((name) => LANGUAGES.has(name));
}

/** The Debian packages of programs, as words for apt-get. */
export function packagesOf(programs: readonly string[]): string {
  return [...new Set(programs.map((name) => PACKAGE_OF.get(name)))].join(" ");
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}
