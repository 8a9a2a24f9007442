import { type Request, S_IFREG } from "../fuse/mod.ts";
import { FixedNode } from "./fixed_node.ts";
import type { Handle, Opening } from "./node.ts";
import { RootFileHandle } from "./root_file_handle.ts";

/** `config.json`: the settings as a file. */
export class ConfigFile extends FixedNode {
  protected override readonly defaultMode = S_IFREG | 0o644;
  protected override readonly validMs = 0;
  /** A rename leaves the kernel with the new name for what had the old one: it is to ask. */
  override readonly nameValidMs = 0;

  protected override async sizeBytes(): Promise<number> {
    return (await this.parts.config.bytes()).length;
  }

  protected override changedAt(): number {
    return this.parts.config.changedAt;
  }

  /** @throws {ErrnoError} EDQUOT, ENOSPC if the user may have no more in memory. */
  async open({ uid }: Request, { contents }: Opening): Promise<Handle> {
    const { config, rootFiles } = this.parts;
    const bytes = contents === "truncate" ? new Uint8Array() : await config.bytes();
    return rootFiles.openSettings(this.nodeid, uid, await this.ownership(), bytes);
  }

  /** Truncating changes no setting, only where a handle's text begins and ends. */
  protected override truncate(sizeBytes: number, through: Handle | undefined) {
    if (through instanceof RootFileHandle) through.shorten(sizeBytes);
  }
}
