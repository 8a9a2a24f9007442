/** The folders of a cache in which versions of filed are unpacked: each is named by a checksum, or `unpack-` and an id. */
import { listKernelDirectory, readKernelLink } from "../../src/sys/files/kernel_files.ts";
import { basename, dirname } from "node:path";

const NAME = /^(?:[0-9a-f]{64}|unpack-[0-9a-f-]{36})$/;

/** Whether `folder` is this user's own, and has all files of `original`, as long as there. */
export async function isComplete(folder: string, original: string): Promise<boolean> {
  try {
    if ((await Deno.lstat(folder)).uid !== Deno.uid()) return false;
    for await (const { name, isFile } of Deno.readDir(original)) {
      if (!isFile) continue;
      const [has, wants] = await Promise.all([folder, original].map((in_) => Deno.stat(`${in_}/${name}`)));
      if (has?.size !== wants?.size) return false;
    }
    return true;
  } catch {
    return false;
  }
}

/** Removes what other versions, and starts that were killed, have left beside a folder, but not what is in use. */
export async function removeUnused(folder: string): Promise<void> {
  const others = [];
  for await (const { name, isDirectory } of Deno.readDir(dirname(folder))) {
    if (isDirectory && NAME.test(name) && name !== basename(folder)) {
      others.push(`${dirname(folder)}/${name}`);
    }
  }
  if (others.length === 0) return;
  const used = pathsInUse();
  const unused = others.filter((other) =>
    !used.some((path) => path === other || path.startsWith(`${other}/`))
  );
  for (const other of unused) await remove(other);
}

export async function remove(folder: string): Promise<void> {
  await Deno.remove(folder, { recursive: true });
}

/** The programs and directories of all processes of this user. */
function pathsInUse(): string[] {
  const paths = [];
  for (const { name } of listKernelDirectory("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    for (const link of ["exe", "cwd"]) {
      try {
        paths.push(readKernelLink(`/proc/${name}/${link}`));
      } catch { /* It has ended, or is another user's. */ }
    }
  }
  return paths;
}
