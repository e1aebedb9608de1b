"""A judge in use outside the loop: rulings for many callers at once."""
