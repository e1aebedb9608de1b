"""Runs a command and ends it, with all its children, when told to or when whoever started this is gone.

    python process_guard.py GRACE COMMAND …

It is started with a pipe as standard input and in a session of its own. The pipe's other end closes when the starter
closes it, exits, crashes or is killed; then the whole group gets SIGTERM, and SIGKILL after GRACE seconds. So a model
server never outlives its run and the GPU is free again. Only the standard library is used: it runs as a plain file.
"""

import os
import signal
import subprocess
import sys
import threading


def main() -> int:
    """The command's own exit code."""
    grace = float(sys.argv[1])
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it reaches the group, of which this process is a member
    child = subprocess.Popen(sys.argv[2:], stdin=subprocess.DEVNULL, preexec_fn=_obey)
    threading.Thread(target=_end_after_starter, args=(child, grace), daemon=True).start()
    code = child.wait()
    _end_group(0.5)
    return code


def _obey() -> None:
    """The command does not inherit this process's deafness."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _end_after_starter(child: "subprocess.Popen[bytes]", grace: float) -> None:
    while os.read(0, 4096):
        pass
    os.killpg(0, signal.SIGTERM)
    try:
        child.wait(grace)
    except subprocess.TimeoutExpired:
        os.killpg(0, signal.SIGKILL)


def _end_group(grace: float) -> None:
    """What the command left behind: children of children that its own end did not reach."""
    os.killpg(0, signal.SIGTERM)
    threading.Event().wait(grace)
    _kill_others()


def _kill_others() -> None:
    """SIGKILL to the members of this group except this process, which still has an exit code to report."""
    group = os.getpgrp()
    for entry in os.listdir("/proc") if os.path.isdir("/proc") else []:
        if entry.isdigit() and int(entry) != os.getpid():
            try:
                if os.getpgid(int(entry)) == group:
                    os.kill(int(entry), signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                continue


if __name__ == "__main__":
    sys.exit(main())
