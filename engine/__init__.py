"""Judge Studio's engine: the self-improvement loop of arXiv 2512.05145. It never imports the studio."""

__version__ = "0.1.0"
