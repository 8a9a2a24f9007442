/** Which of the programs that these tests use are there. */

/** The programs in the list, with the Debian package of each. */
const PACKAGE_OF = new Map(
  Deno.readTextFileSync(new URL("programs", import.meta.url)).split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => line.split(":") as [string, string]),
);

/** Where programs are; sshd is not on everybody's PATH. */
const FOLDERS = [...(Deno.env.get("PATH") ?? "").split(":"), "/usr/sbin"];

/** Those of the programs that are listed, and not there. */
export function missing(programs: readonly string[]): string[] {
  return programs.filter((name) =>
    PACKAGE_OF.has(name) && !FOLDERS.some((folder) => isFile(`${folder}/${name}`))
  );
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
