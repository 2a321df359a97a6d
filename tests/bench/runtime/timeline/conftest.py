"""The reader of traces, and what is recorded for it."""

from __future__ import annotations

import sys
from pathlib import Path

# The tests are no package, and these helpers are of no use to any other test.
sys.path.insert(0, str(Path(__file__).parent))
