"""The Gradio app: it reads the workspace and starts the same command a person would type."""

import os

# Gradio reads these when it is imported; the studio calls nobody.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"

# Visitors who ask the same thing at once. DuckDB answers in tens of milliseconds; more threads would wait for cores.
# Set here and not by `Blocks.queue`, which would build the whole web application once more (0.2 s).
os.environ["GRADIO_DEFAULT_CONCURRENCY_LIMIT"] = "8"
