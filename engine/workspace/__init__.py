"""What lies on disk, who may write it, and what a run says of itself."""
