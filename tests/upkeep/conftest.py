"""Aligned pictures as the tests of facesets write them."""

from tests.faceset.conftest import write_faces

__all__ = ["write_faces"]
