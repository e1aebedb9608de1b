"""The tool that makes the embedded model from nothing: `python -m engine.shapes.pretrain`."""
