"""`planting.py` is beside the tests that plant violations."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
