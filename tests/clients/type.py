"""type.py [TEXT KEYS]... -- PROGRAM...: runs a program on a terminal; each time it shows the text, types the keys.

Keys are those of a Python string: \\r is Enter, \\x1b Escape, \\x03 interrupts. Those that begin with ! are a shell command,
which is run instead. Succeeds if all was shown that should be, and the program ended within 20 s.
"""

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time

end = sys.argv.index("--")
steps = list(zip(sys.argv[1:end:2], sys.argv[2:end:2]))
program = sys.argv[end + 1:]
deadline = time.monotonic() + 20

pid, terminal = pty.fork()
if pid == 0:
    os.environ["TERM"] = "xterm"
    os.execvp(program[0], program)

shown = ""
while True:
    ready, _, _ = select.select([terminal], [], [], deadline - time.monotonic())
    if not ready:
        print(f"It waits for {steps[:1]}, and has shown: {shown[-2000:]!r}", file=sys.stderr)
        os.kill(pid, signal.SIGKILL)
        sys.exit(124)
    try:
        part = os.read(terminal, 4096)
    except OSError:  # The program has ended.
        break
    shown += re.sub(r"\x1b(\[[0-9;?>]*[a-zA-Z]|\([B0]|[=>])", "", part.decode(errors="replace"))
    while steps and steps[0][0] in shown:
        text, keys = steps.pop(0)
        shown = shown[shown.index(text) + len(text):]
        if keys.startswith("!"):
            subprocess.run(["sh", "-c", keys[1:]], check=True)
        else:
            os.write(terminal, keys.encode().decode("unicode_escape").encode())

os.waitpid(pid, 0)
if steps:
    sys.exit(f"It ended before it showed {steps[0][0]!r}, and has shown: {shown[-2000:]!r}")
