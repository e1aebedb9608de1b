"""The Gradio app: it reads the workspace and starts the same command a person would type."""

import os

# Gradio reads these when it is imported; the studio calls nobody.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
