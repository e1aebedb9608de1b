"""The command that lets other programs use a judge."""

from argparse import Namespace

from engine.serve.binding import check_bind, read_secret
from engine.workspace.folders import open_workspace


def serve(options: Namespace) -> int:
    """Answer comparisons over HTTP until ended."""
    key = None if options.key is None else read_secret("--key", options.key)
    check_bind(
        options.host,
        options.port,
        is_open=key is None,
        danger="others could reach it, and anybody could use it. Add --key FILE with a secret in it, or leave the "
        "host at 127.0.0.1.",
    )
    workspace = open_workspace(options.workspace)
    from engine.serve.server import serve_judges  # torch takes seconds

    serve_judges(options.judges, workspace=workspace, host=options.host, port=options.port, key=key)
    return 0
