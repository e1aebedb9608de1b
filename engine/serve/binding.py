"""Where a server of ours may listen, and the file that holds its key. Checked before anything heavy is loaded."""

import ipaddress
import socket
from pathlib import Path

from engine.errors import JudgeStudioError, UsageError
from engine.paths import expanded


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server bound to `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def read_secret(option: str, path: str | Path) -> str:
    """The one line of a file that only its owner reads. Raises `UsageError` naming `option`, e.g. "--key"."""
    path = expanded(path)
    try:
        secret = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{option}: cannot read {path}: {error}. Name an existing file.") from error
    if not secret:
        raise UsageError(f"{option}: {path} is empty. Write a secret into it.")
    if path.stat().st_mode & 0o007:
        raise UsageError(f"{option}: everybody on this machine can read {path}. Run 'chmod 600 {path}' first.")
    return secret


def check_bind(host: str, port: int, *, is_open: bool, danger: str) -> None:
    """Raise `UsageError` or `JudgeStudioError` with the sentence to print if a server must or can not start there.

    `is_open`: it lets everybody in; then it may be reached from this machine only. `danger` says what others could do
    there, and what to add.
    """
    if is_open and not is_loopback(host):
        raise UsageError(f"--host {host}: {danger}")
    if not 0 <= port <= 65_535:
        raise UsageError(f"--port {port}: a port is a number from 0 to 65535.")
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host.strip("[]"), port))
    except OSError as error:
        raise JudgeStudioError(
            f"{host}:{port}: cannot listen there: {error.strerror or error}. "
            f"Something else may use it, e.g. another one of these; choose another port, e.g. --port {port + 1}."
        ) from error
