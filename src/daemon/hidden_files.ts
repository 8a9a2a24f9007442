import { getLogger } from "@logtape/logtape";
import { ANSWER_MS, outputWithin } from "../sys/waiting/deadline.ts";

const log = getLogger(["filed", "daemon"]);

/**
 * Prints how many files are in a directory, and in those below it where jobs would be: `2 pending`. It
 * follows no symbolic link, which may lead to where nobody answers.
 */
const COUNT = `
for name in . pending active complete failed; do
  count=0
  [ -L "$1/$name" ] && continue
  for file in "$1/$name"/* "$1/$name"/.[!.]*; do
    if [ -L "$file" ] || { [ ! -d "$file" ] && [ -e "$file" ]; }; then count=$((count + 1)); fi
  done
  [ "$count" = 0 ] || echo "$count $name"
done`;

/**
 * Warns of files in a directory that we are about to mount on. Who submitted a job while filed was down wrote
 * an ordinary file there: the mount hides it, and it does not run.
 * @throws {LateError} If the directory does not answer. Then we can't mount on it either: the kernel would
 * wait for the look to end.
 */
export async function warnOfHidden(mountpoint: string): Promise<void> {
  const counts = [...(await look(mountpoint)).matchAll(/^(\d+) (.+)$/gm)];
  if (counts.length === 0) return;
  log.warn(
    "the mount hides files that were written while filed was down, and that do not run: " +
      "stop filed, move them away, start it, and submit them again",
    {
      files: counts.reduce((sum, [, files]) => sum + Number(files), 0),
      directories: counts.map(([, , name]) => name === "." ? mountpoint : `${mountpoint}/${name}`),
    },
  );
}

/** Looks in a child: it alone hangs if the file system does. */
async function look(mountpoint: string): Promise<string> {
  const command = new Deno.Command("/bin/sh", {
    args: ["-c", COUNT, "sh", mountpoint],
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  });
  const { stdout } = await outputWithin(ANSWER_MS, command);
  return new TextDecoder().decode(stdout);
}
