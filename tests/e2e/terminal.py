"""A terminal for the words that ask a person."""
import os
import pty
import select
import subprocess

from gateway import PATIENCE


def on_terminal(argv, answers):
    """Runs argv on a terminal of its own; each answer is typed when a prompt has come. (code, all that it showed)."""
    # Not pty.fork(): readers of logs run beside, and a fork of threads may stand still (Python 3.12 warns).
    fd, terminal = pty.openpty()
    process = subprocess.Popen(["setsid", "--ctty", "--wait", *argv], stdin=terminal, stdout=terminal, stderr=terminal)
    os.close(terminal)
    shown = b""
    answers = list(answers)
    asked = 0
    while True:
        ready, _, _ = select.select([fd], [], [], 60)
        assert ready, f"nothing more came after {shown!r}"
        try:
            part = os.read(fd, 4096)
        except OSError:  # Linux says EIO at the end
            break
        if not part:
            break
        shown += part
        if shown.count(b": ") > asked and shown.endswith(b": ") and answers:
            asked = shown.count(b": ")
            os.write(fd, answers.pop(0).encode() + b"\n")
    os.close(fd)
    return process.wait(PATIENCE), shown.decode()
