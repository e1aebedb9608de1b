"""One run in the words and cells of the page."""
