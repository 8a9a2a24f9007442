import { fails, ok, type Place, run } from "../harness.ts";

/** A small file system of its own for the state, unmounted with its place. For root only. */
export class Disk {
  private constructor(readonly path: string) {}

  /** In memory. @param size As mount(8) takes it: `1m`. */
  static async inMemory(place: Place, size: string): Promise<Disk> {
    const disk = new Disk(`${place.path}/disk`);
    await Deno.mkdir(disk.path);
    await ok(run(["mount", "-t", "tmpfs", "-o", `size=${size},mode=755`, "filed-test", disk.path]));
    return disk;
  }

  /** Behind a block device: it can fail. */
  static async onDevice(place: Place): Promise<Disk> {
    const disk = new Disk(`${place.path}/disk`);
    const image = `${place.path}/image`;
    await Deno.mkdir(disk.path);
    await ok(run(["truncate", "-s", "32m", image]));
    await ok(run(["mkfs.ext4", "-q", image]));
    await ok(run(["mount", "-o", "loop", image, disk.path]));
    return disk;
  }

  get stateFile(): string {
    return `${this.path}/filed.db`;
  }

  /** Options that put the state there. */
  get args(): string[] {
    return ["--state", this.stateFile];
  }

  /** Uses up all that is free. */
  async fill(): Promise<void> {
    await fails(run(["dd", "if=/dev/zero", `of=${this.path}/ballast`, "bs=4096"]), /No space left/);
  }

  /** Gives back what `fill` used. */
  async empty(): Promise<void> {
    await Deno.remove(`${this.path}/ballast`);
  }

  /** The device works again, with what was on it. */
  async remount(): Promise<void> {
    await ok(run(["umount", this.path]));
    await ok(run(["mount", "-o", "loop", this.path.replace(/disk$/, "image"), this.path]));
  }

  /** From now on nothing can be read that is not in memory, and nothing written: EIO. */
  async fail(): Promise<void> {
    const EXT4_IOC_SHUTDOWN = 0x8004587d; // _IOR('X', 125, __u32), fs/ext4/ext4.h
    const NO_LOG_FLUSH = 2;
    await ok(run([
      "python3",
      "-c",
      `import fcntl, os, struct, sys
fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), ${EXT4_IOC_SHUTDOWN}, struct.pack("I", ${NO_LOG_FLUSH}))`,
      this.path,
    ]));
  }
}
