"""A network whose parameters are sharded (FSDP2): exact values and gradients, products with a bound."""

import json

import numpy as np
import pytest
import torch

from landscape import hessian
from landscape.objective import Objective
from landscape.parameters import norm

from . import jobs
from .test_shards import found


def whole(count: int) -> Objective:
    """The same loss in one process."""
    inputs, targets = jobs.CASES["attention"].data()
    samples = inputs[:count], targets[:count]
    return Objective(jobs.whole_attention(), samples, weight_decay=0.1, dtype="float64")


@pytest.mark.parametrize("count", [7, 1])
def test_two_ranks_equal_one_process(ranks, tmp_path, count):
    every, objective = found(ranks("spread", tmp_path, count)), whole(count)
    theta = {name: value + 0.01 for name, value in objective.parameters.items()}
    expected, gradient = objective.value(theta), objective.gradient(theta)
    exact = hessian.top_eigenvalues(objective, 2, tolerance=1e-6).eigenvalue.values
    for rank in every:
        assert (rank["value"].nll, rank["value"].l2) == pytest.approx((expected.nll, expected.l2), rel=1e-12)
        assert rank["length"] == pytest.approx(float(norm(gradient)), rel=1e-10)
        assert rank["found"] == every[0]["found"]
        assert rank["untouched"]
        assert rank["width"] < rank["size"] == sum(value.numel() for value in objective.free.values())
    assert sum(rank["width"] for rank in every) == every[0]["size"]
    for name, value in gradient.items():
        parts = [
            torch.tensor(rank["gradient"][name], dtype=torch.float64).reshape(rank["shapes"][name])
            for rank in every
        ]
        torch.testing.assert_close(torch.cat(parts), value, rtol=1e-9, atol=1e-12)
    columns = {name: np.array(each["data"]) for name, each in every[0]["found"]["data_vars"].items()}
    assert columns["converged"].all()
    assert (np.abs(columns["eigenvalue"] - exact) <= columns["error_bound"]).all()
    assert np.abs(columns["eigenvalue"] / exact - 1).max() < 1e-4
    assert 0 < columns["product_error"] < 1e-4
    exactness = json.loads(every[0]["found"]["attrs"]["exactness"])
    assert exactness["gradient"] == "exact: summed over ranks by FSDP, in float64"
    assert exactness["products"].startswith("central finite differences, off by ")
    assert exactness["vectors"] == "sharded like the parameters, among 2 ranks"


def test_float32_says_what_it_cannot_see(ranks, tmp_path):
    first, second = found(ranks("spread", tmp_path, 4, "float32"))
    assert first["found"] == second["found"]
    words = json.loads(first["found"]["attrs"]["exactness"])["products"]
    assert words.endswith("at most beyond kinks of ReLU, which float32 cannot tell from curvature")
    assert first["words"].startswith("parameter 'embed.weight' is not sharded; apply torch.distributed.fsdp")
    assert first["other"] == "dropout cannot be chosen where parameters are sharded; leave it out"
