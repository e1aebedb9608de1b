"""Open the studio: hand over to `python -m studio`, so that the engine never imports it."""

import os
import sys
from argparse import Namespace

from engine.errors import JudgeStudioError
from engine.export.finished import finished_workspace
from engine.workspace.folders import open_workspace


def open_studio(options: Namespace) -> int:
    """Replace this process by the web server. Raises if the workspace cannot be used."""
    workspace = finished_workspace() if options.demo else open_workspace(options.workspace)
    words = ["-m", "studio", "--workspace", str(workspace.root), "--host", options.host, "--port", str(options.port)]
    if options.auth:
        words += ["--auth", options.auth]
    if options.no_browser:
        words.append("--no-browser")
    if options.mcp:
        words.append("--mcp")
    try:
        os.execv(sys.executable, [sys.executable, *words])
    except OSError as error:
        raise JudgeStudioError(
            f"{sys.executable}: cannot start the studio: {error}. Reinstall judge-studio."
        ) from error
