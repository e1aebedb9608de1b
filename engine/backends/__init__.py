"""The one door to a model: `base.Backend`, and the implementations behind it."""
