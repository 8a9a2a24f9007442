import { ErrnoError, type ErrnoName } from "../sys/errno.ts";
import { HOST_ENDIAN } from "./abi.ts";

/**
 * @throws {ErrnoError} EINVAL if a request's body is shorter than its struct. Longer is a newer kernel's
 * business.
 */
export function requireSize(body: DataView, sizeBytes: number, struct: string): void {
  if (body.byteLength < sizeBytes) {
    throw new ErrnoError("EINVAL", `Request of ${body.byteLength} bytes is shorter than ${struct}`);
  }
}

/** A u64 that must be exact as a number, else the errno that says so to the client. */
export function readExact(body: DataView, offset: number, otherwise: ErrnoName): number {
  const value = body.getBigUint64(offset, HOST_ENDIAN);
  if (value > Number.MAX_SAFE_INTEGER) throw new ErrnoError(otherwise, `${value} is past 2^53 - 1`);
  return Number(value);
}

/** Epoch ms from the wire's two parts, cut to the µs that a number can hold. Seconds are signed. */
export function readTimeMs(body: DataView, seconds: number, nanoseconds: number): number {
  const us = Math.floor(body.getUint32(nanoseconds, HOST_ENDIAN) / 1000);
  return (Number(body.getBigInt64(seconds, HOST_ENDIAN)) * 1_000_000 + us) / 1000;
}

/** @param ms Epoch ms, rounded to the µs. */
export function writeTimeMs(body: DataView, seconds: number, nanoseconds: number, ms: number): void {
  const us = Math.round(ms * 1000);
  const wholeSeconds = Math.floor(us / 1_000_000);
  body.setBigInt64(seconds, BigInt(wholeSeconds), HOST_ENDIAN);
  body.setUint32(nanoseconds, (us - wholeSeconds * 1_000_000) * 1000, HOST_ENDIAN);
}

/** The kernel clamps what its clock cannot hold; this is long enough for "for ever". */
const MAX_VALID_MS = 2 ** 31 * 1000;

/** @param ms A duration; `Infinity` is as long as the kernel can count. */
export function writeValidMs(body: DataView, seconds: number, nanoseconds: number, ms: number): void {
  writeTimeMs(body, seconds, nanoseconds, Math.min(ms, MAX_VALID_MS));
}

/** The bytes of `body`, as a view. */
export function bytesOf(body: DataView, start: number, end = body.byteLength): Uint8Array {
  return new Uint8Array(body.buffer, body.byteOffset + start, end - start);
}
