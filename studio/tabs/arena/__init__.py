"""You against the judge."""
