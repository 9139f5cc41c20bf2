"""Where results are read from: single ones, folders, bundles, other tools' files."""

import pytest

from landscape.cli.reading import read
from landscape.errors import ResultError
from landscape.exchange import write
from landscape.results import save, save_bundle
from tests.figures import synthetic

RESULTS = {
    name: {kind: kinds[kind] for kind in ("spectrum", "surface")}
    for name, kinds in synthetic.comparison(["gap", "gap-blur"]).items()
}
NAMES = {name: {"spectrum", "surface"} for name in RESULTS}


def names(results):
    return {name: set(kinds) for name, kinds in results.items()}


@pytest.fixture
def compared(tmp_path):
    for name, kinds in RESULTS.items():
        for kind, dataset in kinds.items():
            save(dataset, tmp_path / "both" / "datasets" / name / f"{kind}.zarr")
    return tmp_path / "both"


def test_a_comparison_and_a_bundle_of_it_are_the_same(compared, tmp_path):
    save_bundle(RESULTS, tmp_path / "both.zip")
    for place in (compared, tmp_path / "both.zip"):
        found = read([place])
        assert names(found) == NAMES
        assert found["gap"]["spectrum"].equals(RESULTS["gap"]["spectrum"])


def test_a_folder_of_results_goes_by_the_names_in_it(tmp_path):
    for name, kinds in RESULTS.items():
        for kind, dataset in kinds.items():
            save(dataset, tmp_path / f"{name}-{kind}.zarr")
    save(RESULTS["gap"]["spectrum"], tmp_path / "gap-spectrum-test.zarr")
    save(RESULTS["gap"]["spectrum"], tmp_path / ".gap-hidden.zarr")
    assert names(read([tmp_path])) == NAMES | {"gap": {"spectrum", "spectrum-test", "surface"}}


def test_single_results_go_by_their_kind(tmp_path):
    place = save(RESULTS["gap"]["spectrum"], tmp_path / "whatever.zarr")
    table = write(RESULTS["gap-blur"]["surface"], tmp_path / "surface.npz")
    assert names(read([place, table])) == {"gap": {"spectrum"}, "gap-blur": {"surface"}}


def test_two_of_the_same_names_are_refused_or_told_apart(compared, tmp_path):
    again = save(RESULTS["gap"]["spectrum"], tmp_path / "again.zarr")
    with pytest.raises(ResultError, match=r"more than one spectrum of gap, the second in .*again\.zarr"):
        read([compared, again])
    assert names(read([compared, again], apart=True)) == NAMES | {str(again): {"spectrum"}}


def test_what_holds_no_result_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ResultError, match="holds no datasets"):
        read([tmp_path / "empty"])
    with pytest.raises(ResultError, match="no result at"):
        read([tmp_path / "nowhere.zarr"])
