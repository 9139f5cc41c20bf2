"""Columns of numbers as variables of a result, each with its name in words and its unit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from landscape.zoo.places import Layer

About = Mapping[str, Mapping[str, str]]
"""Attributes of a variable by its name: `long_name`, and `units` where it has one."""
ERRORS = {
    "_change_standard_error": "standard error of the change of the {} from the layer before",
    "_standard_error": "standard error of the {}",
}
"""What errors are called, by the ending of their variable and with the name of what they belong to."""


def variables(
    dimensions: str | tuple[str, ...],
    columns: Mapping[str, Any],
    about: About,
    errors: Mapping[str, str] = ERRORS,
) -> dict[str, tuple[str | tuple[str, ...], np.ndarray, dict[str, str]]]:
    """Columns as xarray takes them, the attributes of errors made from those of what they belong to.

    Args:
        dimensions: Of all columns; none for single numbers.
        columns: By name; the error of `X` is called `X_standard_error`, or as `errors` says.
        about: Attributes of those that are no errors.
        errors: As `ERRORS`.
    """
    return {
        name: (dimensions, np.asarray(values), _described(name, about, errors))
        for name, values in columns.items()
    }


def _described(name: str, about: About, errors: Mapping[str, str]) -> dict[str, str]:
    for end, words in errors.items():
        if name.endswith(end):
            own = about[name.removesuffix(end)]
            return dict(own) | {"long_name": words.format(own["long_name"])}
    return dict(about[name])


def of_layers(layers: Sequence[Layer]) -> dict[str, np.ndarray]:
    """Kind, stage and normalised depth of each layer, shape (layer,)."""
    return {
        "kind": words([layer.kind for layer in layers]),
        "stage": np.array([layer.stage for layer in layers]),
        "depth": np.arange(len(layers)) / max(1, len(layers) - 1),
    }


def words(values: Sequence[str]) -> np.ndarray:
    """Words as results hold them, shape (N,)."""
    return np.array(values, dtype=object)
