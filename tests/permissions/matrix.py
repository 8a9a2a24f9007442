"""Tries what users may do in a directory laid out like the mount, which is the mount itself or a copy of it elsewhere.

Arguments: the directory; "mount" or "copy"; the first of 20 numbers to take for users and groups; and the mode of the
directories in it, after which "root" says that they are root's. Prints a line of JSON for each case: [[actor, operation,
path], outcome]. An outcome is "ok" or the name of an errno; after "ok" come the mode and the owner of what was changed or
made.

It is one process that takes the rights of each actor in turn: the kernel goes by the effective ids, and an effective user
that is not root has no capabilities.
"""

import errno
import json
import os
import stat
import sys
import time

TOP, SIDE, BASE, MODE = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4], 8)
OWNER, MEMBER, STRANGER, GROUP = BASE, BASE + 1, BASE + 2, BASE + 10

# Who asks: user, group, other groups.
ACTORS = {
    "root": (0, 0, []),
    "owner": (OWNER, GROUP, []),
    "member": (MEMBER, MEMBER, [GROUP]),
    "stranger": (STRANGER, STRANGER, []),
}
# The directories: user and group.
DIRECTORY = (0, 0) if "root" in sys.argv[5:] else (OWNER, GROUP)
# The two files in each: user, group and mode.
MINE = (OWNER, GROUP, 0o640)
THEIRS = (STRANGER, GROUP, 0o664)

STATES = ["pending", "active", "complete", "failed"]
FIXED = {"new-id": 0o444, "config.json": 0o644}
LOG_MASK = 0o555
LATER = time.time() + 1e5
# A job that waits and is no draft.
DUE = f"{TOP}/pending/due"


# Numbers with two names.
NAMES = {errno.EOPNOTSUPP: "EOPNOTSUPP", errno.EAGAIN: "EAGAIN"}


def become(actor):
    uid, gid, groups = ACTORS[actor]
    os.seteuid(0)
    os.setgroups(groups)
    os.setegid(gid)
    os.seteuid(uid)


def path_of(state, name):
    # In pending/ drafts, which never run.
    return f"{TOP}/{state}/{'.' if state == 'pending' else ''}{state}-{name}"


def write(path, text, mode=0o644):
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY, mode)
    os.write(descriptor, text.encode())
    os.close(descriptor)


def write_due(id, command):
    draft = f"{TOP}/pending/.{id}"
    write(draft, command)
    os.utime(draft, (LATER, LATER))
    os.rename(draft, f"{TOP}/pending/{id}")


def wait_for(path):
    while not os.path.exists(path):
        time.sleep(0.001)


def make(state, name, command):
    """A job in that state, or a file in its place."""
    path = path_of(state, name)
    id = os.path.basename(path)
    if SIDE == "copy" or state == "pending":
        write(path, command)
    elif state == "active":
        write(f"{TOP}/pending/{id}", "exec sleep 600")
        wait_for(path)
    elif state == "complete":
        write(f"{TOP}/pending/{id}", "true")
        wait_for(path)
    else:
        write_due(id, command)
        os.rename(f"{TOP}/pending/{id}", path)


def reset(state, *made):
    """Sets right what the last operation changed."""
    for path in made:
        if os.path.lexists(path):
            os.unlink(path)
    own(f"{TOP}/{state}", *DIRECTORY, MODE)
    for name, (uid, gid, mode) in (("mine", MINE), ("theirs", THEIRS)):
        if not os.path.exists(path_of(state, name)):
            make(state, name, "exit 1")
        own(path_of(state, name), uid, gid, mode if state == "pending" else mode & LOG_MASK)
    if state == "pending" and not os.path.exists(DUE):
        write_due("due", "exit 1")
        own(DUE, *MINE)


def own(path, uid, gid, mode):
    found = os.stat(path)
    if (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) != (uid, gid, mode):
        os.chown(path, uid, gid)
        os.chmod(path, mode)


def reset_fixed(name):
    own(f"{TOP}/{name}", OWNER, GROUP, FIXED[name])


def opened(path, flags, mode=0o666):
    os.close(os.open(path, flags, mode))


def append(path):
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND)
    try:
        os.write(descriptor, b" ")
    finally:
        os.close(descriptor)


# On a file.
FILE_OPERATIONS = {
    "stat": lambda path: os.stat(path),
    "read": lambda path: open(path, "rb").close(),
    "append": append,
    "read and write": lambda path: opened(path, os.O_RDWR),
    "open or create": lambda path: opened(path, os.O_CREAT | os.O_WRONLY),
    "truncate": lambda path: os.truncate(path, 0),
    "open and truncate": lambda path: opened(path, os.O_WRONLY | os.O_TRUNC),
    "execute": lambda path: expect(os.access(path, os.X_OK, effective_ids=True)),
    "touch": lambda path: os.utime(path),
    "set times": lambda path: os.utime(path, (LATER, LATER)),
    "chmod": lambda path: os.chmod(path, 0o600),
    "chown": lambda path: os.chown(path, os.geteuid(), -1),
    "give away": lambda path: os.chown(path, MEMBER, -1),
    "chgrp": lambda path: os.chown(path, -1, GROUP),
    "chgrp to another's": lambda path: os.chown(path, -1, STRANGER),
    "set an attribute": lambda path: os.setxattr(path, "user.filed-test", b"1"),
    "get an attribute": lambda path: os.getxattr(path, "user.filed-test"),
    "list attributes": lambda path: os.listxattr(path),
    "remove an attribute": lambda path: os.removexattr(path, "user.filed-test"),
}


def expect(is_so):
    if not is_so:
        raise OSError(errno.EACCES, "")


# What leaves nothing to be undone.
HARMLESS = ("stat", "read", "execute", "get an attribute", "list attributes", "list", "look up", "rmdir")


def in_directory(state):
    """On what a directory of a state holds: the operation, and the file whose mode and owner tell what it did."""
    new, moved = path_of(state, "new"), path_of(state, "moved")
    mine, theirs = path_of(state, "mine"), path_of(state, "theirs")
    directory = f"{TOP}/{state}"
    operations = {
        "list": (lambda: os.listdir(directory), directory),
        "look up": (lambda: expect_missing(new), None),
        "create": (lambda: opened(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY), new),
        "mknod": (lambda: os.mknod(new, 0o600 | stat.S_IFREG), new),
        "mkfifo": (lambda: os.mkfifo(new), new),
        "mkdir": (lambda: made_directory(new), None),
        "symlink": (lambda: os.symlink("x", new), new),
        "link": (lambda: os.link(mine, new), new),
        "unlink": (lambda: os.unlink(mine), None),
        "unlink theirs": (lambda: os.unlink(theirs), None),
        "rename": (lambda: os.rename(mine, moved), moved),
        "rename theirs": (lambda: os.rename(theirs, moved), moved),
        "rename over theirs": (lambda: os.rename(mine, theirs), theirs),
        "rename theirs over": (lambda: os.rename(theirs, mine), mine),
        "rmdir": (lambda: expect_full(directory), None),
    }
    for to in STATES:
        if to != state:
            there = path_of(to, f"{state}-moved")
            operations[f"move to {to}"] = (lambda there=there: os.rename(mine, there), there)
    if state == "pending":
        there = path_of("failed", "pending-moved")
        operations["move a job to failed"] = (lambda: os.rename(DUE, there), there)
    return operations


def made_directory(path):
    os.mkdir(path)
    os.rmdir(path)


def expect_missing(path):
    try:
        os.stat(path)
    except FileNotFoundError:
        pass


def expect_full(path):
    try:
        os.rmdir(path)
    except OSError as error:
        if error.errno != errno.ENOTEMPTY:
            raise


def facts(path):
    found = os.lstat(path)
    names = {0: "root", OWNER: "owner", MEMBER: "member", STRANGER: "stranger", GROUP: "group"}
    user, group = names[found.st_uid], names[found.st_gid]
    return f"{stat.S_IMODE(found.st_mode):o} {user} {group}"


def attempt(actor, operation, shown):
    become(actor)
    try:
        operation()
        outcome = "ok"
    except OSError as error:
        outcome = NAMES.get(error.errno) or errno.errorcode[error.errno]
    finally:
        become("root")
    return f"ok {facts(shown)}" if outcome == "ok" and shown else outcome


def try_file(directory, actor, path, name, undo):
    for operation, act in FILE_OPERATIONS.items():
        outcome = attempt(actor, lambda: act(path), path)
        tell(directory, actor, operation, name, outcome)
        if outcome.startswith("ok") and operation not in HARMLESS:
            undo()


def tell(actor, operation, path, outcome):
    print(json.dumps([[actor, operation, path], outcome]))


def try_file(actor, path, name, undo):
    for operation, act in FILE_OPERATIONS.items():
        outcome = attempt(actor, lambda: act(path), path)
        tell(actor, operation, name, outcome)
        if outcome.startswith("ok") and operation not in HARMLESS:
            undo()


def try_state(state):
    for actor in ACTORS:
        for operation, (act, shown) in in_directory(state).items():
            outcome = attempt(actor, act, shown)
            tell(actor, operation, state, outcome)
            if outcome.startswith("ok") and operation not in HARMLESS:
                reset(state, *[shown] if shown else [])
        for name in ("mine", "theirs"):
            try_file(actor, path_of(state, name), f"{state}/{name}", lambda: reset(state))
        try_file(actor, f"{TOP}/{state}", f"{state}/", lambda: reset(state))


os.umask(0o027)
if SIDE == "copy":
    os.mkdir(TOP, 0o755)
    for state in STATES:
        os.mkdir(f"{TOP}/{state}")
    for name in FIXED:
        write(f"{TOP}/{name}", "{}")
os.chmod(TOP, 0o755)
for state in STATES:
    reset(state)
for state in STATES:
    try_state(state)
for fixed in FIXED:
    reset_fixed(fixed)
    for actor in ACTORS:
        try_file(actor, f"{TOP}/{fixed}", fixed, lambda: reset_fixed(fixed))
