"""Where the studio may listen and who may enter. Checked before Gradio is imported, so that a no comes at once."""

import importlib.util
import socket

from engine.errors import UsageError
from engine.serve import binding


def read_password(auth: str) -> tuple[str, str]:
    """User and password from "USER:FILE". Raises `UsageError` if the file is missing, empty, or readable by all."""
    user, colon, name = auth.partition(":")
    if not (user and colon and name):
        raise UsageError(f"--auth {auth}: expected USER:FILE, a user name and a file that holds the password.")
    return user, binding.read_secret("--auth", name)


def check_bind(host: str, port: int, has_password: bool) -> None:
    """Raise `UsageError` or `JudgeStudioError` with the sentence to print if the studio must or can not start."""
    binding.check_bind(
        host,
        port,
        is_open=not has_password,
        danger="others could reach this studio, start runs and read your images, so it needs a password. "
        "Add --auth USER:FILE, or leave the host at 127.0.0.1.",
    )


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
