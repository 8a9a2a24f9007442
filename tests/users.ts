import { ok, run } from "./harness.ts";

/** An ordinary user for the time of a test, removed with all that still runs as it. Takes root. */
export class User implements AsyncDisposable {
  private constructor(
    readonly name: string,
    readonly uid: number,
    readonly gid: number,
    readonly home: string,
  ) {}

  /** One whose home is that folder, which is left as it is. It can log in with a key, and has a group of its own. */
  static async at(home: string): Promise<User> {
    return await User.#add(randomName(), home, ["--no-create-home"]);
  }

  /** One with a new home in a folder, into which all may go from then on. */
  static async in(folder: string): Promise<User> {
    const name = randomName();
    const user = await User.#add(name, `${folder}/${name}`, ["--create-home", "--skel", "/nonexistent"]);
    await Deno.chmod(folder, 0o755);
    return user;
  }

  static async #add(name: string, home: string, how: string[]): Promise<User> {
    const account = ["--user-group", ...how, "--home-dir", home];
    await ok(run(["useradd", ...account, "--shell", "/bin/sh", "--password", "*", name]));
    const id = async (option: string) => Number(await ok(run(["id", option, name])));
    return new User(name, await id("-u"), await id("-g"), home);
  }

  /** What makes the rest of a command line run as this user. */
  get prefix(): string[] {
    return ["setpriv", "--reuid", this.name, "--regid", this.name, "--init-groups", "--"];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      for await (const { name } of Deno.readDir("/proc")) {
        const owner = /^\d+$/.test(name) ? await Deno.lstat(`/proc/${name}`).catch(() => null) : null;
        if (owner?.uid === this.uid) kill(Number(name));
      }
    } finally {
      await ok(run(["userdel", "--force", this.name]));
    }
  }
}

function randomName(): string {
  return `filed-${crypto.randomUUID().slice(0, 8)}`;
}

function kill(pid: number) {
  try {
    Deno.kill(pid, "SIGKILL");
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error; // It has ended meanwhile.
  }
}
