"""What leaves the workspace: reports, judges, data, and their cards."""
