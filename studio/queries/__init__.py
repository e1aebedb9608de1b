"""Every question the page asks of a workspace, by noun. Plain values in and out; no Gradio, no HTML.

`shelf` keeps the narrow columns in memory that make pages of a million pairs quick; `pairs` and `traces` ask it.
`scores` and `training` ask the catalog's views.
"""
