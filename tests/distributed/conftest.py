"""Ranks that tests of this room share."""

from collections.abc import Iterator

import pytest

from .ranks import Ranks, started


@pytest.fixture(scope="session")
def ranks() -> Iterator[Ranks]:
    """Starts jobs of `tests.distributed.jobs` on some ranks."""
    with started() as starting:
        yield starting
