import { ErrnoError, type ErrnoName } from "../sys/errno.ts";
import { HOST_ENDIAN } from "./abi.ts";

/**
 * Checks that a request's body holds its struct. It may be longer: a newer kernel knows more fields.
 * @throws {ErrnoError} EINVAL if it is shorter.
 */
export function requireSize(body: DataView, sizeBytes: number, struct: string): void {
  if (body.byteLength < sizeBytes) {
    throw new ErrnoError("EINVAL", `Request of ${body.byteLength} bytes is shorter than ${struct}`);
  }
}

export const readU32 = (body: DataView, offset: number) => body.getUint32(offset, HOST_ENDIAN);
export const readU64 = (body: DataView, offset: number) => body.getBigUint64(offset, HOST_ENDIAN);

export function writeU32(body: DataView, offset: number, value: number): void {
  body.setUint32(offset, value, HOST_ENDIAN);
}

export function writeU64(body: DataView, offset: number, value: bigint): void {
  body.setBigUint64(offset, value, HOST_ENDIAN);
}

/** A u64 as a number. @throws {ErrnoError} `otherwise`, if a number can't hold it exactly. */
export function readExact(body: DataView, offset: number, otherwise: ErrnoName): number {
  const value = readU64(body, offset);
  if (value > Number.MAX_SAFE_INTEGER) throw new ErrnoError(otherwise, `${value} is past 2^53 - 1`);
  return Number(value);
}

/** Epoch ms from the wire's two fields, cut to the µs that a number can hold. Seconds are signed. */
export function readTimeMs(body: DataView, seconds: number, nanoseconds: number): number {
  const us = Math.floor(readU32(body, nanoseconds) / 1000);
  return (Number(body.getBigInt64(seconds, HOST_ENDIAN)) * 1_000_000 + us) / 1000;
}

/** @param ms Epoch ms, rounded to the µs. */
export function writeTimeMs(body: DataView, seconds: number, nanoseconds: number, ms: number): void {
  const us = Math.round(ms * 1000);
  const wholeSeconds = Math.floor(us / 1_000_000);
  body.setBigInt64(seconds, BigInt(wholeSeconds), HOST_ENDIAN);
  writeU32(body, nanoseconds, (us - wholeSeconds * 1_000_000) * 1000);
}

/** 68 years stand for "for ever": the seconds of `Infinity` fit no field. */
const MAX_VALID_MS = 2 ** 31 * 1000;

/** @param ms A duration; `Infinity` is as long as the kernel can count. */
export function writeValidMs(body: DataView, seconds: number, nanoseconds: number, ms: number): void {
  writeTimeMs(body, seconds, nanoseconds, Math.min(ms, MAX_VALID_MS));
}

/** The bytes of `body`, as a view. */
export function bytesOf(body: DataView, start: number, end = body.byteLength): Uint8Array {
  return new Uint8Array(body.buffer, body.byteOffset + start, end - start);
}
