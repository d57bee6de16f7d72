"""The pages of the book that are made from the code: lessons, names, operations, the house.

Some read tables of the tests: samples, kinks, the import ladder.  Their folder is put on the path.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
if str(ROOT / "tests") not in sys.path:
    sys.path.append(str(ROOT / "tests"))
