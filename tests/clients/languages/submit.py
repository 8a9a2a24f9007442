"""submit.py PENDING ID FILE: submits the file in each way that Python has, and prints the ids."""

import os
import pathlib
import shutil
import sys
import tempfile

pending, prefix, source = sys.argv[1:]
command = pathlib.Path(source).read_text()


def path(way):
    print(f"{prefix}-{way}")
    return f"{pending}/{prefix}-{way}"


with open(path("open"), "w") as file:
    file.write(command)
with open(path("exclusive"), "x") as file:
    print(command, end="", file=file)
with open(path("append"), "a") as file:
    file.write(command)
with open(path("unbuffered"), "wb", buffering=0) as file:
    file.write(command.encode())
with open(path("lines"), "w", buffering=1) as file:
    file.writelines(command.splitlines(keepends=True))
pathlib.Path(path("pathlib")).write_text(command)

with tempfile.NamedTemporaryFile("w", dir=pending, prefix=".", delete=False) as file:
    file.write(command)
os.replace(file.name, path("temporary-draft"))
with tempfile.NamedTemporaryFile("w", dir=pending, delete=False) as file:
    file.write(command)
os.replace(file.name, path("temporary"))
descriptor, name = tempfile.mkstemp(dir=pending)
os.close(descriptor)
pathlib.Path(name).write_text(command)
os.rename(name, path("mkstemp"))

shutil.copyfile(source, path("copyfile"))
shutil.copy(source, path("copy"))
shutil.copy2(source, path("copy2"))
shutil.move(shutil.copy2(source, f"{source}-2"), path("move"))
