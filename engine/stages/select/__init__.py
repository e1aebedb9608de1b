"""Which traces are kept, and why the others are not."""
