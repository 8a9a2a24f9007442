/** What the tests of the built file share: the file, and the users, folders and namespaces that it is tried in. */
import { ok, run } from "../harness.ts";

/** The file under test; `make test` names it. */
export const FILED = Deno.env.get("FILED") ?? "";

const IS_BUILT = FILED !== "";
const IS_SELF_EXTRACTING = IS_BUILT && new TextDecoder().decode(await firstBytes(FILED, 2)) === "#!";

async function firstBytes(path: string, count: number): Promise<Uint8Array> {
  using file = await Deno.open(path);
  const bytes = new Uint8Array(count);
  await file.read(bytes);
  return bytes;
}

/** A test of the built file, whichever kind it is. From the source tree, without one, it is ignored. */
export function builtTest(name: string, fn: () => Promise<void>) {
  Deno.test({ name, ignore: !IS_BUILT, fn });
}

/** Such a test that makes users, namespaces or mounts. */
export function builtRootTest(name: string, fn: () => Promise<void>) {
  Deno.test({ name: `as root: ${name}`, ignore: !IS_BUILT || Deno.uid() !== 0, fn });
}

/** A test of the self-extracting file; of a compiled one it would say nothing, so there is none. */
export function selfExtractingTest(name: string, fn: () => Promise<void>) {
  if (IS_SELF_EXTRACTING || !IS_BUILT) builtTest(name, fn);
}

export function selfExtractingRootTest(name: string, fn: () => Promise<void>) {
  if (IS_SELF_EXTRACTING || !IS_BUILT) builtRootTest(name, fn);
}

/** A test that is ignored where a program is missing, which many systems do without. */
export function testWith(program: string, name: string, fn: () => Promise<void>) {
  Deno.test({ name, ignore: !hasProgram(program), fn });
}

export function hasProgram(name: string): boolean {
  return new Deno.Command("sh", { args: ["-c", 'command -v "$1"', "sh", name], stdout: "null" }).outputSync()
    .success;
}

/** All that the self-extracting file needs, as a folder for PATH. */
export async function makeTools(folder: string, more: string[] = []): Promise<string> {
  await Deno.mkdir(folder, { recursive: true });
  for (const name of ["sh", "tail", "tar", "gzip", "sha256sum", ...more]) {
    await ok(run(["sh", "-c", 'ln -s "$(command -v "$1")" "$2"', "sh", name, `${folder}/${name}`]));
  }
  return folder;
}

/**
 * Runs the rest of a command line without any network, and where everybody may open /dev/fuse, as on most machines. That,
 * and what is mounted, is seen there only: `inside` goes there.
 */
export function alone(folder: string): string[] {
  const script = `set -e
    mkdir -p "$1/dev"
    mount -t tmpfs tmpfs "$1/dev"
    mknod -m 666 "$1/dev/fuse" c 10 229
    mount --bind "$1/dev/fuse" /dev/fuse
    shift
    exec "$@"`;
  return ["unshare", "--mount", "--net", "sh", "-c", script, "sh", folder];
}

/** What makes the rest of a command line run where a process is, whose root may be that of a chroot. */
export function inside(pid: number): string[] {
  return ["nsenter", `--target=${pid}`, "--mount", "--net", "--root", "--"];
}

/** The folders in which versions are unpacked there, by name. */
export async function unpacked(cache: string): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of Deno.readDir(cache)) names.push(name);
  return names.sort();
}
