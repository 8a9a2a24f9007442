import {
  FUSE_KERNEL_MINOR_VERSION,
  FUSE_KERNEL_VERSION,
  FUSE_MINOR_OLDEST,
  HOST_ENDIAN,
  INIT_FLAGS,
  INIT_IN,
  INIT_IN_SIZE_OLD,
  INIT_OUT,
  MAX_TRANSFER_BYTES,
} from "./abi.ts";
import { bytesOf, readU32, requireSize, writeU32 } from "./wire.ts";

/** The kernel holds back what nobody waits for, RELEASE among it, while so many such requests are open. */
const MAX_BACKGROUND = 64;
const CONGESTION_THRESHOLD = 48;
/** The step of time stamps: what `Attributes` can hold. */
const TIME_GRANULARITY_NS = 1000;

const ALL = Object.values(INIT_FLAGS).reduce((all, flag) => all | flag, 0);
const READDIRPLUS = INIT_FLAGS.FUSE_DO_READDIRPLUS | INIT_FLAGS.FUSE_READDIRPLUS_AUTO;

/** What the kernel offers. */
export interface InitOffer {
  readonly major: number;
  readonly minor: number;
  readonly maxReadaheadBytes: number;
  readonly flags: number;
}

export interface Terms {
  readonly minor: number;
  readonly maxReadaheadBytes: number;
  readonly flags: number;
  readonly maxPages: number;
}

/**
 * What we make of the kernel's offer.
 * @returns `ask-again`: the kernel speaks a newer major version, and must ask again in ours. `too-old`: it
 * speaks an older one than we do, EPROTO.
 */
export function negotiate(
  offer: InitOffer,
  options: {
    readonly pageSizeBytes: number;
    /** How the file system lists: "with-attributes" only if it has `readdirplus`. */
    readonly listing: "plain" | "with-attributes";
  },
): Terms | "ask-again" | "too-old" {
  if (offer.major > FUSE_KERNEL_VERSION) return "ask-again";
  if (offer.major < FUSE_KERNEL_VERSION || offer.minor < FUSE_MINOR_OLDEST) return "too-old";
  const flags = offer.flags & (options.listing === "plain" ? ALL & ~READDIRPLUS : ALL);
  return {
    minor: Math.min(offer.minor, FUSE_KERNEL_MINOR_VERSION),
    maxReadaheadBytes: offer.maxReadaheadBytes,
    flags,
    maxPages: flags & INIT_FLAGS.FUSE_MAX_PAGES ? Math.ceil(MAX_TRANSFER_BYTES / options.pageSizeBytes) : 0,
  };
}

export function decodeInitIn(body: DataView): InitOffer {
  requireSize(body, INIT_IN_SIZE_OLD, "fuse_init_in");
  return {
    major: readU32(body, INIT_IN.major),
    minor: readU32(body, INIT_IN.minor),
    maxReadaheadBytes: readU32(body, INIT_IN.max_readahead),
    flags: readU32(body, INIT_IN.flags),
  };
}

/** @param terms `ask-again` tells our version only. */
export function encodeInitOut(body: DataView, terms: Terms | "ask-again"): number {
  bytesOf(body, 0, INIT_OUT.sizeof).fill(0);
  writeU32(body, INIT_OUT.major, FUSE_KERNEL_VERSION);
  writeU32(body, INIT_OUT.minor, terms === "ask-again" ? FUSE_KERNEL_MINOR_VERSION : terms.minor);
  if (terms === "ask-again") return INIT_OUT.sizeof;
  writeU32(body, INIT_OUT.max_readahead, terms.maxReadaheadBytes);
  writeU32(body, INIT_OUT.flags, terms.flags);
  body.setUint16(INIT_OUT.max_background, MAX_BACKGROUND, HOST_ENDIAN);
  body.setUint16(INIT_OUT.congestion_threshold, CONGESTION_THRESHOLD, HOST_ENDIAN);
  writeU32(body, INIT_OUT.max_write, MAX_TRANSFER_BYTES);
  writeU32(body, INIT_OUT.time_gran, TIME_GRANULARITY_NS);
  body.setUint16(INIT_OUT.max_pages, terms.maxPages, HOST_ENDIAN);
  return INIT_OUT.sizeof;
}
