"""Where the server may listen and who may enter. Checked before Gradio is imported, so that a no comes at once."""

import importlib.util
import ipaddress
import socket

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


def read_password(auth: str) -> tuple[str, str]:
    """User and password from "USER:FILE". Raises `UsageError` if the file is missing, empty, or readable by all."""
    user, colon, name = auth.partition(":")
    if not (user and colon and name):
        raise UsageError(f"--auth {auth}: expected USER:FILE, a user name and a file that holds the password.")
    path = expanded(name)
    try:
        password = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"--auth: cannot read the password file {path}: {error}. Name an existing file.") from error
    if not password:
        raise UsageError(f"--auth: the password file {path} is empty. Write a password into it.")
    if path.stat().st_mode & 0o007:
        raise UsageError(f"--auth: everybody on this machine can read {path}. Run 'chmod 600 {path}' first.")
    return user, password


def check_bind(host: str, port: int, has_password: bool) -> None:
    """Raise `UsageError` or `JudgeStudioError` with the sentence to print if the server must or can not start."""
    if not is_loopback(host) and not has_password:
        raise UsageError(
            f"--host {host}: others could reach this studio, start runs and read your images, so it needs a password. "
            "Add --auth USER:FILE, or leave the host at 127.0.0.1."
        )
    if not 0 <= port <= 65_535:
        raise UsageError(f"--port {port}: a port is a number from 0 to 65535.")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host.strip("[]"), port))
        except OSError as error:
            raise JudgeStudioError(
                f"{host}:{port}: cannot listen there: {error.strerror or error}. "
                f"Another studio may be open; choose another port, e.g. --port {port + 1}."
            ) from error


def check_mcp(*, has_password: bool) -> None:
    """Raise `UsageError` if the endpoints cannot be tools for MCP clients."""
    if has_password:
        raise UsageError("--mcp: its clients send no password, so it goes without --auth and on 127.0.0.1 only.")
    if importlib.util.find_spec("mcp") is None:
        raise UsageError("--mcp: the package mcp is not installed. Run pip install 'judge-studio[mcp]'.")


def free_port(host: str) -> int:
    """A port that nobody uses at this moment."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.bind((host.strip("[]"), 0))
        return int(probe.getsockname()[1])
