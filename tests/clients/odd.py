"""odd.py WAY PATH FILE: writes what the file has to a path in an odd but legal way; says what is wrong in one line."""

import mmap
import os
import sys

way, path, source = sys.argv[1:]
command = open(source, "rb").read()
MAKE = os.O_CREAT | os.O_EXCL


def write_all(descriptor, data=command):
    while data:
        data = data[os.write(descriptor, data):]


def made(flags):
    return os.open(path, MAKE | flags, 0o644)


def synchronous(flag):
    descriptor = made(os.O_WRONLY | flag)
    for start in range(0, len(command), 4000):
        write_all(descriptor, command[start:start + 4000])
    os.close(descriptor)


def direct():
    descriptor = made(os.O_WRONLY | os.O_DIRECT)
    write_all(descriptor)
    os.close(descriptor)


def mapped(closed_first):
    descriptor = made(os.O_RDWR)
    os.ftruncate(descriptor, len(command))
    pages = mmap.mmap(descriptor, len(command))
    if closed_first:
        os.close(descriptor)
    pages[:] = command
    pages.flush()
    pages.close()
    if not closed_first:
        os.close(descriptor)


def sendfile():
    descriptor, start = made(os.O_WRONLY), 0
    with open(source, "rb") as file:
        while start < len(command):
            start += os.sendfile(descriptor, file.fileno(), start, 5000)
    os.close(descriptor)


def splice():
    descriptor = made(os.O_WRONLY)
    reader, writer = os.pipe()
    with open(source, "rb") as file:
        while count := os.splice(file.fileno(), writer, 5000):
            while count:
                count -= os.splice(reader, descriptor, count)
    os.close(descriptor)


def copy_file_range():
    descriptor = made(os.O_WRONLY)
    try:
        with open(source, "rb") as file:
            os.copy_file_range(file.fileno(), descriptor, len(command))
    finally:
        os.unlink(path)


def copy_within():
    draft = os.path.join(os.path.dirname(path), "." + os.path.basename(path))
    with open(draft, "wb") as file:
        file.write(command)
    with open(draft, "rb") as file:
        descriptor, count = made(os.O_WRONLY), 0
        while count < len(command):
            count += os.copy_file_range(file.fileno(), descriptor, len(command) - count)
    os.close(descriptor)
    os.unlink(draft)


def vectors():
    descriptor = made(os.O_WRONLY)
    assert os.writev(descriptor, [command[:100], command[100:]]) == len(command)
    os.close(descriptor)


def backwards():
    descriptor = made(os.O_WRONLY)
    for start in reversed(range(0, len(command), 1000)):
        os.pwrite(descriptor, command[start:start + 1000], start)
    os.close(descriptor)


def by_descriptor():
    directory = os.open(os.path.dirname(path), os.O_PATH | os.O_DIRECTORY)
    descriptor = os.open(os.path.basename(path), MAKE | os.O_WRONLY, 0o644, dir_fd=directory)
    write_all(descriptor)
    os.close(descriptor)
    os.close(directory)


def path_only():
    draft = os.path.join(os.path.dirname(path), "." + os.path.basename(path))
    with open(draft, "wb") as file:
        file.write(command)
    handle = os.open(draft, os.O_PATH)
    assert os.fstat(handle).st_size == len(command)
    again = os.open(f"/proc/self/fd/{handle}", os.O_RDONLY)
    assert os.read(again, 1 << 20) == command
    os.close(again)
    os.close(handle)
    os.rename(draft, path)


def forked():
    """A child has the file open for longer: the job starts with the last of them."""
    descriptor = made(os.O_WRONLY)
    write_all(descriptor, command[:1000])
    if os.fork() == 0:
        write_all(descriptor, command[1000:])
        os._exit(0)
    os.close(descriptor)
    os.wait()


def unnamed():
    os.open(os.path.dirname(path), os.O_TMPFILE | os.O_RDWR, 0o600)


WAYS = {
    "O_SYNC": lambda: synchronous(os.O_SYNC),
    "O_DSYNC": lambda: synchronous(os.O_DSYNC),
    "O_DIRECT": direct,
    "mmap": lambda: mapped(False),
    "mmap-after-close": lambda: mapped(True),
    "sendfile": sendfile,
    "splice": splice,
    "copy_file_range": copy_file_range,
    "copy_file_range-within": copy_within,
    "writev": vectors,
    "pwrite-backwards": backwards,
    "openat": by_descriptor,
    "O_PATH": path_only,
    "fork": forked,
    "O_TMPFILE": unnamed,
}

try:
    WAYS[way]()
except OSError as error:
    sys.exit(error.strerror)
