import { ErrnoError } from "../sys/errno.ts";

/**
 * @returns What `act` does; `undefined` where the kernel refuses it, for want of descriptors or memory most
 * often.
 */
export function unlessRefused<T>(act: () => T): T | undefined {
  try {
    return act();
  } catch (error) {
    if (error instanceof ErrnoError) return undefined;
    throw error;
  }
}
