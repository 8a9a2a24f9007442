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
import { bytesOf, requireSize } from "./wire.ts";

/** Requests the kernel may have open that nobody waits for, RELEASE among them, before it holds more back. */
const MAX_BACKGROUND = 64;
const CONGESTION_THRESHOLD = 48;

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
  readonly timeGranularityNs: number;
}

export type Negotiation =
  | { readonly kind: "agreed"; readonly terms: Terms }
  /** The kernel is newer than the protocol: it must ask again, in ours. */
  | { readonly kind: "ask-again" }
  /** Older than what we speak: EPROTO. */
  | { readonly kind: "too-old" };

/** What we make of the kernel's offer. */
export function negotiate(
  offer: InitOffer,
  options: {
    readonly pageSizeBytes: number;
    readonly timeGranularityNs: number;
    /** How the file system lists: "with-attributes" only if it has `readdirplus`. */
    readonly listing: "plain" | "with-attributes";
  },
): Negotiation {
  if (offer.major > FUSE_KERNEL_VERSION) return { kind: "ask-again" };
  if (offer.major < FUSE_KERNEL_VERSION || offer.minor < FUSE_MINOR_OLDEST) return { kind: "too-old" };
  const flags = offer.flags & (options.listing === "plain" ? ALL & ~READDIRPLUS : ALL);
  return {
    kind: "agreed",
    terms: {
      minor: Math.min(offer.minor, FUSE_KERNEL_MINOR_VERSION),
      maxReadaheadBytes: offer.maxReadaheadBytes,
      flags,
      maxPages: flags & INIT_FLAGS.FUSE_MAX_PAGES ? Math.ceil(MAX_TRANSFER_BYTES / options.pageSizeBytes) : 0,
      timeGranularityNs: options.timeGranularityNs,
    },
  };
}

export function decodeInitIn(body: DataView): InitOffer {
  requireSize(body, INIT_IN_SIZE_OLD, "fuse_init_in");
  return {
    major: body.getUint32(INIT_IN.major, HOST_ENDIAN),
    minor: body.getUint32(INIT_IN.minor, HOST_ENDIAN),
    maxReadaheadBytes: body.getUint32(INIT_IN.max_readahead, HOST_ENDIAN),
    flags: body.getUint32(INIT_IN.flags, HOST_ENDIAN),
  };
}

/** @param terms `undefined`: only our version, for a kernel that must ask again. */
export function encodeInitOut(body: DataView, terms: Terms | undefined): number {
  bytesOf(body, 0, INIT_OUT.sizeof).fill(0);
  body.setUint32(INIT_OUT.major, FUSE_KERNEL_VERSION, HOST_ENDIAN);
  body.setUint32(INIT_OUT.minor, terms?.minor ?? FUSE_KERNEL_MINOR_VERSION, HOST_ENDIAN);
  if (terms === undefined) return INIT_OUT.sizeof;
  body.setUint32(INIT_OUT.max_readahead, terms.maxReadaheadBytes, HOST_ENDIAN);
  body.setUint32(INIT_OUT.flags, terms.flags, HOST_ENDIAN);
  body.setUint16(INIT_OUT.max_background, MAX_BACKGROUND, HOST_ENDIAN);
  body.setUint16(INIT_OUT.congestion_threshold, CONGESTION_THRESHOLD, HOST_ENDIAN);
  body.setUint32(INIT_OUT.max_write, MAX_TRANSFER_BYTES, HOST_ENDIAN);
  body.setUint32(INIT_OUT.time_gran, terms.timeGranularityNs, HOST_ENDIAN);
  body.setUint16(INIT_OUT.max_pages, terms.maxPages, HOST_ENDIAN);
  return INIT_OUT.sizeof;
}
