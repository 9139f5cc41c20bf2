"""The examples in docstrings run and give what they say."""

import contextlib
import doctest
import importlib

import pytest

EXAMPLES = [
    "checkpoint.load",
    "checkpoint.save",
    "samples.Samples",
    "samples.Samples.take",
    "images.Normalisation",
    "objective.Objective",
    "hessian.eigenvalues.top_eigenvalues",
    "hessian.spectrum.max_eigenvalue_spectrum",
    "hessian.probes.trace",
    "hessian.probes.density",
    "hessian.operators.Operator",
    "surface.directions.random_directions",
    "surface.plane.plane",
    "surface.flatness.flatness",
    "features.measurement.measure",
    "predictive.evaluation.evaluate",
    "analyses.surfaces.surface",
    "analyses.curvature.eigenvalues",
    "analyses.curvature.spectrum",
    "analyses.compare.compare",
    "comparison.verdicts.verdicts",
    "results.store.save",
    "results.store.load",
    "results.schema.attribute",
    "data.embedded.demo",
    "family.load",
    "family.measured",
    "filters.roles",
]
HOW = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


def found(path: str) -> object:
    """The function, class or method at a path within the package."""
    place, names = f"landscape.{path}", []
    while True:
        place, _, name = place.rpartition(".")
        names.insert(0, name)
        with contextlib.suppress(ModuleNotFoundError):
            value: object = importlib.import_module(place)
            for each in names:
                value = getattr(value, each)
            return value


def failures(value: object, name: str) -> tuple[int, int, str]:
    """How many examples failed, of how many, and what is said of them."""
    said: list[str] = []
    runner = doctest.DocTestRunner(optionflags=HOW)
    test = doctest.DocTestParser().get_doctest(value.__doc__ or "", {}, name, None, 0)
    runner.run(test, out=said.append)
    return runner.failures, runner.tries, "".join(said)


@pytest.mark.parametrize("path", EXAMPLES)
def test_examples_give_what_they_say(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    failed, tried, said = failures(found(path), path)
    assert tried >= 2
    assert not failed, said


def test_a_wrong_example_is_found():
    def wrong():
        """Nothing.

        >>> 1 + 1
        3
        """

    assert failures(wrong, "wrong")[0] == 1


def test_the_most_used_functions_have_examples():
    assert len(set(EXAMPLES)) >= 25
