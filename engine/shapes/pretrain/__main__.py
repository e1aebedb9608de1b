"""`python -m engine.shapes.pretrain`."""

import sys

from engine.shapes.pretrain.training import main

sys.exit(main())
