"""Alignment: permuted copies are recovered exactly, and no permutation at all fits better."""

from itertools import pairwise, permutations, product

import numpy as np
import pytest
import torch
from torch import nn

from landscape.connectivity import Copy, by_activations, by_weights, permuted, symmetry
from landscape.connectivity.matching import assigned, best
from landscape.errors import LandscapeError
from landscape.parameters import dot
from tests import build
from tests.cases import randomised
from tests.connectivity.networks import NETWORKS, objective, with_copy


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("by", ["weights", "activations"])
def test_a_permuted_copy_is_recovered(name, by):
    one, found, copy = with_copy(name)
    own = Copy.of(one)
    source = by_activations(one, own, copy, found)
    if by == "weights":
        match = by_weights(own.parameters, copy.parameters, found, starts=[source], random_starts=0)
        assert match.settled
        source = match.source
    back = copy.permuted(found, source)
    for name_, value in own.parameters.items():
        assert torch.equal(back.parameters[name_], value)
    for name_, value in own.buffers.items():
        assert torch.equal(back.buffers[name_], value)


@pytest.mark.parametrize("name", ["resnet20", "vgg11", "sequential"])
def test_weights_alone_recover_it(name):
    one, found, copy = with_copy(name)
    own = Copy.of(one)
    match = by_weights(own.parameters, copy.parameters, found)
    assert match.product == pytest.approx(float(dot(own.parameters, own.parameters)), rel=1e-12)


def every(found):
    """Every permutation of plain groups."""
    for orders in product(*(permutations(range(len(group))) for group in found.groups)):
        source = found.identity()
        for group, order in zip(found.groups, orders, strict=True):
            source[group.units] = group.units[list(order)]
        yield source


@pytest.mark.parametrize("hidden", [(6,), (3, 3), (4, 2)])
@pytest.mark.parametrize("seed", range(3))
def test_nothing_fits_better_where_all_can_be_tried(hidden, seed):
    widths = (3, *hidden, 2)
    layers = [m for a, b in pairwise(widths) for m in (nn.Linear(a, b), nn.Tanh())]
    samples = (torch.linspace(-1, 1, 60, dtype=torch.float64).reshape(20, 3), torch.arange(20) % 2)
    networks = [randomised(nn.Sequential(*layers[:-1]), 2 * seed + k) for k in (0,)]
    one = build.objective(networks[0], samples)
    first = {name: value.clone() for name, value in one.parameters.items()}
    second = build.objective(randomised(networks[0], 2 * seed + 1), samples).parameters
    found = symmetry(one)
    highest = max(float(dot(first, permuted(second, found, source))) for source in every(found))
    match = by_weights(first, second, found, random_starts=8)
    assert match.product == pytest.approx(highest, rel=1e-12)
    assert match.product == pytest.approx(float(dot(first, permuted(second, found, match.source))), rel=1e-12)


def test_blocks_are_assigned_with_what_is_in_them():
    one = objective("vit")
    found = symmetry(one)
    group = next(group for group in found.groups if group.families)
    rng = np.random.default_rng(0)
    tables = {}

    def gram(_, classes):
        return tables.setdefault(tuple(classes), rng.standard_normal((len(classes),) * 2))

    source = best(group, gram, found.identity())

    def value(blocks, inner):
        total = sum(tables[tuple(group.units)][i, j] for i, j in enumerate(blocks))
        for family, orders in zip(group.families, inner, strict=True):
            size = family.shape[1]
            table = tables[tuple(family.reshape(-1))].reshape(3, size, 3, size)
            total += sum(table[i, r, blocks[i], c] for i in range(3) for r, c in enumerate(orders[i]))
        return total

    def highest_inside(family, i, j):
        size = family.shape[1]
        table = tables[tuple(family.reshape(-1))].reshape(3, size, 3, size)[i, :, j]
        return max(sum(table[r, c] for r, c in enumerate(order)) for order in permutations(range(size)))

    highest = max(
        sum(tables[tuple(group.units)][i, j] for i, j in enumerate(blocks))
        + sum(highest_inside(family, i, j) for family in group.families for i, j in enumerate(blocks))
        for blocks in permutations(range(3))
    )
    place = {int(one): k for k, one in enumerate(group.units)}
    blocks = [place[int(source[one])] for one in group.units]
    inner = [
        [[list(family[blocks[i]]).index(source[one]) for one in family[i]] for i in range(3)]
        for family in group.families
    ]
    assert value(blocks, inner) == pytest.approx(highest)


def test_weights_that_are_not_finite_are_refused():
    with pytest.raises(LandscapeError, match="not finite"):
        assigned(np.array([[1.0, np.nan], [0.0, 1.0]]))


def test_alignment_brings_networks_nearer():
    first, second = (build.objective(build.zoo("cifar-resnet20:width=4", seed=k)) for k in (1, 2))
    found = symmetry(first)
    match = by_weights(first.parameters, second.parameters, found)
    assert match.product > float(dot(first.parameters, second.parameters))
