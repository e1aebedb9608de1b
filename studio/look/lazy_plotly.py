"""Plotly's figures, loaded when the first chart is drawn: a page that shows none yet starts without them.

from studio.look import lazy_plotly as go
"""

from typing import Any


def __getattr__(name: str) -> Any:
    """Whatever `plotly.graph_objects` has under that name. Types in signatures are quoted, as they are read early."""
    import plotly.graph_objects

    return getattr(plotly.graph_objects, name)
