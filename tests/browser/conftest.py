"""One browser for all tests of the page."""

import pytest

from tests.browser import chromium
from tests.tools import missing


@pytest.fixture(scope="session")
def started(tmp_path_factory):
    if chromium.find() is None:
        missing("no Chromium on this machine; install Debian's chromium, or put one on the PATH")
    found = chromium.Chromium(tmp_path_factory.mktemp("browser") / "profile")
    yield found
    found.close()
