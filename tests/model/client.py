"""A client of the mount: makes one system call per line of JSON, and answers with its result or its errno.

In: {"call": NAME, ...arguments}. Out: {"value": RESULT} or {"errno": NAME}. Bytes are text in Latin-1, so that every byte
has a character; file names are text in which surrogates stand for bytes that are no UTF-8.
"""

import ctypes
import errno
import json
import os
import struct
import sys

libc = ctypes.CDLL(None, use_errno=True)
AT_FDCWD = -100
DIRENT = struct.Struct("=QqHB")  # struct linux_dirent64, getdents(2)
slots = {}  # number -> descriptor


def checked(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), "")
    return result


def facts(found):
    return {
        "size": found.st_size,
        "mode": found.st_mode & 0o7777,
        "uid": found.st_uid,
        "gid": found.st_gid,
        "links": found.st_nlink,
        "inode": found.st_ino,
        "modifiedAt": found.st_mtime_ns / 1e6,
        "accessedAt": found.st_atime_ns / 1e6,
    }


def open_(slot, path, flags, mode):
    slots[slot] = os.open(path, sum(getattr(os, flag) for flag in flags), mode)


def close(slot):
    os.close(slots.pop(slot))


def dup(slot, to):
    slots[to] = os.dup(slots[slot])


def read_file(path):
    descriptor = os.open(path, os.O_RDONLY)
    try:
        parts = iter(lambda: os.read(descriptor, 65536), b"")
        return b"".join(parts).decode("latin-1")
    finally:
        os.close(descriptor)


def getdents(descriptor):
    """The next names, two or three of them, so that the listing has many steps."""
    buffer = ctypes.create_string_buffer(64)
    size = checked(libc.getdents64(descriptor, buffer, ctypes.c_size_t(len(buffer))))
    names, at = [], 0
    while at < size:
        _, _, length, _ = DIRENT.unpack_from(buffer, at)
        names.append(buffer.raw[at + DIRENT.size : at + length].split(b"\0")[0])
        at += length
    return names


def scan(path, ahead, behind):
    """Lists a directory, removing names before they are listed (ahead) and after (behind)."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        seen = [os.fsdecode(name) for name in getdents(descriptor)]
        for name in ahead:
            os.unlink(f"{path}/{name}")
        while names := [os.fsdecode(name) for name in getdents(descriptor)]:
            for name in names:
                seen.append(name)
                if name in behind:
                    os.unlink(f"{path}/{name}")
        return sorted(seen)
    finally:
        os.close(descriptor)


def rename(path, to, flags):
    # Through the C library: os.rename can't say RENAME_NOREPLACE.
    checked(libc.renameat2(AT_FDCWD, os.fsencode(path), AT_FDCWD, os.fsencode(to), flags))


def reset():
    while slots:
        os.close(slots.popitem()[1])


CALLS = {
    "open": open_,
    "close": close,
    "dup": dup,
    "write": lambda slot, bytes, times: os.write(slots[slot], bytes.encode("latin-1") * times),
    "pwrite": lambda slot, bytes, times, offset: os.pwrite(slots[slot], bytes.encode("latin-1") * times, offset),
    "pread": lambda slot, size, offset: os.pread(slots[slot], size, offset).decode("latin-1"),
    "ftruncate": lambda slot, size: os.ftruncate(slots[slot], size),
    "fsync": lambda slot: os.fsync(slots[slot]),
    "fstat": lambda slot: facts(os.fstat(slots[slot])),
    "fchmod": lambda slot, mode: os.fchmod(slots[slot], mode),
    "truncate": lambda path, size: os.truncate(path, size),
    "stat": lambda path: facts(os.lstat(path)),
    "chmod": lambda path, mode: os.chmod(path, mode),
    "chown": lambda path, uid, gid: os.chown(path, uid, gid),
    "utimens": lambda path, atime, mtime: os.utime(path, (atime, mtime)),
    "unlink": lambda path: os.unlink(path),
    "mkdir": lambda path: os.mkdir(path),
    "link": lambda path, to: os.link(path, to),
    "rename": rename,
    "read": read_file,
    "scan": scan,
    "reset": reset,
}

os.umask(0o022)
os.chdir(os.environ["M"])
for line in sys.stdin:
    request = json.loads(line)
    call = request.pop("call")
    try:
        answer = {"value": CALLS[call](**request)}
    except OSError as error:
        answer = {"errno": errno.errorcode.get(error.errno, str(error.errno))}
    print(json.dumps(answer), flush=True)
