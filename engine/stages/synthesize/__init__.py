"""Preference pairs written by the model itself."""
