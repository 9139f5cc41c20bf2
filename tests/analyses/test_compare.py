"""What a comparison finds in place of a measurement."""

import json

import pytest
import xarray as xr
import zarr

from landscape.analyses.compare import kept_result
from landscape.errors import NewerResultError
from landscape.results import save
from tests.figures import synthetic


def test_a_result_of_a_newer_version_is_not_taken_for_a_damaged_one(tmp_path):
    place = save(synthetic.evaluation(), tmp_path / "a.zarr")
    assert isinstance(kept_result(place), xr.Dataset)
    attributes = zarr.open_group(place, mode="r+").attrs
    attributes["format_version"] = 99
    assert json.loads((place / "zarr.json").read_text())["attributes"]["format_version"] == 99
    with pytest.raises(NewerResultError, match="format 99"):
        kept_result(place)
    assert kept_result(tmp_path / "nothing.zarr") is None
