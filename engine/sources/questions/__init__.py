"""Questions about pictures: the pack's bank, the source's own, or written by the model."""
