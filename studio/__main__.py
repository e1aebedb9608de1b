"""`python -m studio --workspace DIR`: what `judge-studio open` becomes."""

import argparse
import io
import sys
from collections.abc import Sequence
from pathlib import Path

from engine.errors import JudgeStudioError
from engine.workspace.folders import open_workspace
from studio.server.binding import check_bind, check_mcp, read_password
from studio.server.waiting import kept_for_good, told_if_slow


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve the studio until it is ended; 1 or 2 with one sentence on stderr if it cannot."""
    parser = argparse.ArgumentParser(prog="judge-studio open")
    parser.add_argument("--workspace", type=Path, required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=7860)
    parser.add_argument("--auth")
    parser.add_argument("--no-browser", action="store_true")
    parser.add_argument("--mcp", action="store_true")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that knows few letters gets "?" for the others
    options = parser.parse_args(arguments)
    try:
        check_bind(options.host, options.port, options.auth is not None)
        if options.mcp:
            check_mcp(has_password=options.auth is not None)
        auth = read_password(options.auth) if options.auth else None
        workspace = open_workspace(options.workspace)
        with told_if_slow("Loading Gradio"), kept_for_good():
            from studio.app import serve  # it takes seconds to import

        serve(
            workspace,
            host=options.host,
            port=options.port,
            auth=auth,
            open_browser=not options.no_browser,
            mcp=options.mcp,
        )
    except JudgeStudioError as error:
        print(f"judge-studio open: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
