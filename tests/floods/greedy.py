"""A user who tries to have more of the queue than is allowed: any call, at any time, on several mounts.

greedy.py SEED STOP JOB OTHER_UID MOUNT...: until STOP is there. JOB is what each file holds, with one of the words of
each {of|these} in it. Prints how often which errno was the answer.
"""
import collections
import errno
import json
import mmap
import os
import random
import re
import sys

seed, stop, job, other, *mounts = sys.argv[1:]
rng = random.Random(int(seed))
refused = collections.Counter()


def text():
    return re.sub(r"\{(.*?)\}", lambda found: rng.choice(found[1].split("|")), job).encode()


def put(path, flags, mode=0o666, data=None):
    fd = os.open(path, flags, mode)
    try:
        os.write(fd, data or text())
    finally:
        os.close(fd)


def made(path, how):
    put(path, os.O_CREAT | os.O_WRONLY | how)


def finish(path, name):
    """As mkstemp(3) and those that use it."""
    put(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
    os.rename(path, name)


def keep_open(path, name):
    fd = os.open(path, os.O_CREAT | os.O_WRONLY, 0o644)
    try:
        os.write(fd, text())
        os.rename(path, name)
        os.pwrite(fd, text(), 0)
    finally:
        os.close(fd)


def mapped(path):
    fd = os.open(path, os.O_RDWR)
    try:
        data = text()
        os.ftruncate(fd, len(data))
        with mmap.mmap(fd, len(data)) as memory:
            memory[:] = data
    finally:
        os.close(fd)


def step():
    base = rng.choice(mounts) + "/"
    one, two = (f"{base}pending/a{rng.randrange(150)}" for _ in range(2))
    draft = f"{base}pending/.a{rng.randrange(150)}"
    ended = f"{base}complete/{os.path.basename(one)}"
    when = rng.choice([0, 4_000_000_000])
    rng.choice([
        lambda: made(one, os.O_TRUNC),
        lambda: made(one, os.O_EXCL),
        lambda: made(draft, os.O_TRUNC),
        lambda: made(draft, 0),
        lambda: os.close(os.open(one, os.O_CREAT | os.O_WRONLY)),
        lambda: put(one, os.O_WRONLY | os.O_APPEND, data=b"\n:"),
        lambda: put(one, os.O_WRONLY | os.O_TRUNC),
        lambda: put(one, os.O_WRONLY),
        lambda: mapped(one),
        lambda: os.mknod(one, 0o100644),
        lambda: os.mknod(draft, 0o100644),
        lambda: os.mkfifo(one),
        lambda: os.mkdir(one),
        lambda: os.symlink(two, one),
        lambda: os.link(one, two),
        lambda: os.link(draft, two),
        lambda: os.rename(draft, one),
        lambda: os.rename(one, two),
        lambda: os.rename(one, draft),
        lambda: finish(draft, one),
        lambda: finish(one, two),
        lambda: keep_open(draft, one),
        lambda: os.chown(one, int(other), -1),
        lambda: os.chown(draft, int(other), -1),
        lambda: os.chmod(one, rng.choice([0o600, 0o666])),
        lambda: os.utime(one, (when, when)),
        lambda: os.truncate(one, rng.choice([0, 1_000])),
        lambda: os.close(os.open(base + "pending", os.O_TMPFILE | os.O_WRONLY)),
        lambda: os.remove(ended),
        lambda: os.remove(ended),
    ])()


while not os.path.exists(stop):
    try:
        step()
    except OSError as error:
        refused[errno.errorcode[error.errno]] += 1
print(json.dumps(refused))
