"""Where the tests' records lie: small ones in the repository, large ones and footage beside the checkout."""

from pathlib import Path

RECORDS = Path(__file__).parent / "records"
# Not in every checkout: tests that need it skip with the reason (see the fixtures of conftest.py).
SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
