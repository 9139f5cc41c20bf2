"""Fixtures that several rooms share."""

import os
from pathlib import Path

import pytest

from tests.durations import pytest_collection_modifyitems, pytest_runtest_logreport, pytest_sessionfinish
from tests.snapshot import snapshot

__all__ = ["pytest_collection_modifyitems", "pytest_runtest_logreport", "pytest_sessionfinish", "snapshot"]

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # tests run beside each other

_CHECKOUT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real data that nobody here made: CIFAR-10 batches, pretrained networks, published surfaces."""
    folder = Path(os.environ.get("LANDSCAPE_SHARED_DATA") or _CHECKOUT.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"real data not found in {folder}; set LANDSCAPE_SHARED_DATA to their folder")
    return folder
