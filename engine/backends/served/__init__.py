"""Models behind a URL."""
