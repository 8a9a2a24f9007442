import type { Step } from "./child_code.ts";
import { lastErrno } from "../libc.ts";
import { isRoot } from "../processes/process.ts";
import { perform, systemCall } from "../system_call.ts";

// linux/keyctl.h
const KEYCTL_GET_KEYRING_ID = 0n;
const KEYCTL_JOIN_SESSION_KEYRING = 1n;
const KEYCTL_LINK = 8n;
const KEY_SPEC_SESSION_KEYRING = -3n;
const KEY_SPEC_USER_KEYRING = -4n;
const DO_NOT_CREATE = 0n;
const ANONYMOUS = 0n;

/**
 * Gives a child an empty session keyring of its own: it reads no key of ours, nor of another job. Made before
 * the child becomes another user, it counts against root's quota, so that nobody can use up what others need.
 * An ordinary user's quota of 200 keys may be used up; then the child shares ours, its user's anyway.
 * @returns Nothing where the kernel has no keys, or a container's filter refuses them to us and our children.
 * @see session-keyring(7), keyrings(7) on quotas
 */
export function joiningSessionKeyring(): Step[] {
  if (!HAS_KEYS) return [];
  const is = isRoot() ? "to succeed" : "either way";
  return [{ call: systemCall("keyctl", KEYCTL_JOIN_SESSION_KEYRING, ANONYMOUS), is }];
}

/** Puts the user's own keys within reach, as pam_keyinit(8) does for a login, if the quota has room. */
export function linkingUserKeyring(): Step[] {
  if (!HAS_KEYS) return [];
  const call = systemCall("keyctl", KEYCTL_LINK, KEY_SPEC_USER_KEYRING, KEY_SPEC_SESSION_KEYRING);
  return [{ call, is: "either way" }];
}

/** ENOKEY: there are keys, but no session keyring; ENOSYS, EPERM: there are none for us. */
const ENOKEY = 126;
const ASKING = systemCall("keyctl", KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, DO_NOT_CREATE);
const HAS_KEYS = perform(ASKING) !== -1 || lastErrno() === ENOKEY;
