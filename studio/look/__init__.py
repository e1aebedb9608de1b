"""Plain values in, escaped HTML and figures out."""
