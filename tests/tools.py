"""Tools that not every machine has: without one its tests are skipped, and in CI they fail."""

import importlib
import os
from types import ModuleType
from typing import NoReturn

import pytest


def missing(reason: str) -> NoReturn:
    """Skip what needs a tool that is not here; where the variable CI is set, it has to be."""
    if os.environ.get("CI"):
        pytest.fail(f"{reason}; in CI no test is skipped for a missing tool")
    pytest.skip(reason, allow_module_level=True)


def need(module: str, extra: str) -> ModuleType:
    """A package of one of our extras."""
    try:
        return importlib.import_module(module)
    except ImportError:
        missing(f"{module} is not installed: pip install 'landscape-toolkit[{extra}]'")
