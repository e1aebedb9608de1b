"""One picture: made upright, stored by its content."""
