"""Who may enter, and the public endpoints."""
