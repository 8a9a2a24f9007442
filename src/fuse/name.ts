import { ErrnoError } from "../sys/errno.ts";

const DECODER = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * A name's bytes as text.
 * @throws {ErrnoError} EINVAL if they are not UTF-8.
 */
export function decodeName(bytes: Uint8Array): string {
  try {
    return DECODER.decode(bytes);
  } catch (cause) {
    throw new ErrnoError("EINVAL", "Name is not UTF-8", { cause });
  }
}
