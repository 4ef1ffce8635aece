"""What tests of training share."""

from collections.abc import Iterator

import pytest

from tests.models.compiled_functions import not_compiled


@pytest.fixture
def eager() -> Iterator[None]:
    """Steps run operation by operation: compiling one takes seconds, which a test of a few steps need not spend."""
    with not_compiled():
        yield
