"""The SimPy model and the scenarios that it shares with the runtime."""

from __future__ import annotations

import sys
from pathlib import Path

# The tests are no package, and these helpers are of no use to any other test.
sys.path.insert(0, str(Path(__file__).parent))
