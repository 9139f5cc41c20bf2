"""Meshes, read back from their files: geometry, holes, clipping, and what the vertices carry."""

import meshio
import numpy as np
import pytest

from landscape.errors import LandscapeError, ResultError
from landscape.exchange import meshes

from .surfaces import X, Y, height, share, surface

SUFFIXES = tuple(meshes._FORMATS)


def area(points, triangles):
    """Area of the triangles seen from above; negative for clockwise ones."""
    a, b, c = (points[triangles[:, i], :2] for i in range(3))
    u, v = b - a, c - a
    return 0.5 * (u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0])


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_file_holds_the_surface(tmp_path, suffix):
    mesh = meshes.triangulated(surface(), scale=2.0)
    found = meshio.read(meshes.write(mesh, tmp_path / f"s{suffix}"))
    triangles = found.cells_dict["triangle"]
    assert len(triangles) == 2 * 3 * 4
    assert len(found.points) == 20
    x, y, z = found.points.T
    lowest = height(*np.meshgrid(X, Y)).min()
    single = 2e-7 if suffix == ".stl" else 1e-15  # STL is float32
    np.testing.assert_allclose(z, 2 * (height(x, y) - lowest), atol=20 * single)
    np.testing.assert_allclose(area(found.points, triangles).sum(), np.ptp(X) * np.ptp(Y), rtol=10 * single)
    assert (area(found.points, triangles) > 0).all()


@pytest.mark.parametrize("suffix", [".vtk", ".ply"])
def test_vertices_carry_what_was_measured(tmp_path, suffix):
    mesh = meshes.triangulated(surface(broken=[(1, 1)]), "accuracy")
    found = meshio.read(meshes.write(mesh, tmp_path / f"s{suffix}"))
    data = found.point_data
    assert set(data) == {"accuracy", "nll"}
    x, y, _ = found.points.T
    np.testing.assert_allclose(data["accuracy"], share(x, y), rtol=1e-15)
    assert np.isposinf(data["nll"]).sum() == 1  # accuracy was measured there, and is drawn
    assert len(found.points) == 20


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    ("broken", "undone", "triangles", "vertices"),
    [
        ([(1, 2)], [], 2 * 12 - 4, 19),  # each of four squares keeps the triangle without that corner
        ([(0, 0)], [], 2 * 12 - 1, 19),
        ([(0, 4)], [], 2 * 12 - 1, 19),
        ([(1, 2)], [(3, 0)], 2 * 12 - 5, 18),
        ([(0, 1), (1, 0)], [], 2 * 12 - 2 - 1 - 1, 17),  # the corner between them belongs to no triangle
    ],
)
def test_points_that_are_not_finite_or_not_computed_are_holes(
    tmp_path, suffix, broken, undone, triangles, vertices
):
    mesh = meshes.triangulated(surface(broken=broken, undone=undone))
    found = meshio.read(meshes.write(mesh, tmp_path / f"s{suffix}"))
    assert len(found.cells_dict["triangle"]) == triangles
    assert len(found.points) == vertices
    assert np.isfinite(found.points).all()
    assert mesh.holes == len(broken) + len(undone)
    for row, column in broken + undone:
        away = np.hypot(found.points[:, 0] - X[column], found.points[:, 1] - Y[row])
        assert away.min() > 0.1
    missing = np.ptp(X) * np.ptp(Y) - area(found.points, found.cells_dict["triangle"]).sum()
    assert missing == pytest.approx((2 * 12 - triangles) * 0.5 * 0.3 / 2, rel=2e-5)


def test_a_point_that_is_not_done_is_a_hole_whatever_lies_there():
    dataset = surface(undone=[(0, 0)])
    dataset["nll"][0, 0] = 0.0
    assert meshes.triangulated(dataset).holes == 1


@pytest.mark.parametrize("sign", [1, -1])
def test_squares_are_cut_along_the_contours(sign):
    steps = np.arange(4.0)
    dataset = surface(steps, steps)
    dataset["nll"] = (("y", "x"), np.exp(steps + sign * steps[:, None]))
    mesh = meshes.triangulated(dataset)
    edges = {frozenset(pair) for a, b, c in mesh.triangles.tolist() for pair in ((a, b), (b, c), (c, a))}
    x, y, z = (mesh.points[np.array([sorted(edge) for edge in edges])][..., axis].T for axis in range(3))
    diagonal = (x[0] != x[1]) & (y[0] != y[1])
    assert diagonal.sum() == 9
    np.testing.assert_allclose(z[0, diagonal], z[1, diagonal], atol=1e-12)


def test_left_alone_the_surface_is_half_as_high_as_long():
    for factor in (1e-6, 1.0, 1e6):
        dataset = surface()
        dataset["nll"] = dataset.nll * factor
        mesh = meshes.triangulated(dataset)
        assert mesh.points[:, 2].min() == 0
        assert mesh.points[:, 2].max() == pytest.approx(0.5 * np.ptp(X))
        np.testing.assert_allclose(mesh.points[:, 2] / mesh.scale + mesh.lowest, mesh.data["nll"], rtol=1e-12)
    flat = surface()
    flat["nll"] = 0 * flat.nll + 2.0
    assert (meshes.triangulated(flat).points[:, 2] == 0).all()


def test_axes_that_run_down_give_the_same_mesh():
    up, down = (meshes.triangulated(each) for each in (surface(), surface().isel(x=slice(None, None, -1))))
    np.testing.assert_array_equal(up.points, down.points)
    np.testing.assert_array_equal(up.triangles, down.triangles)


def test_nothing_is_cut_unless_asked():
    dataset = surface(broken=[(0, 0)])
    highest = np.sort(dataset.nll.values.ravel())[-4]
    whole = meshes.triangulated(dataset)
    assert whole.clipped == 0
    cut = meshes.triangulated(dataset, clip=highest)
    assert cut.clipped == 2  # of the three above, one is infinite and remains a hole
    assert cut.holes == 1
    assert cut.points[:, 2].max() / cut.scale + cut.lowest == pytest.approx(highest)
    np.testing.assert_array_equal(cut.data["nll"], whole.data["nll"])  # as measured, whatever the height
    with pytest.raises(LandscapeError, match="clipping height must be finite, got nan"):
        meshes.triangulated(dataset, clip=float("nan"))


def test_logarithmic_height():
    mesh = meshes.triangulated(surface(), log=True)
    np.testing.assert_allclose(
        10 ** (mesh.points[:, 2] / mesh.scale + mesh.lowest), mesh.data["nll"], rtol=1e-12
    )
    dataset = surface()
    dataset["nll"][2, 2] = 0.0
    with pytest.raises(LandscapeError, match="1 of 20 values of nll are zero or negative"):
        meshes.triangulated(dataset, log=True)


def test_total_is_the_sum():
    mesh = meshes.triangulated(surface(), "total")
    np.testing.assert_allclose(mesh.data["total"], mesh.data["nll"] + 1e-3 * mesh.data["nll"] ** 2)


def test_what_cannot_be_a_mesh(tmp_path):
    with pytest.raises(ResultError, match=r"a line has no triangles; write it as \.csv"):
        meshes.triangulated(surface(y=None))
    with pytest.raises(ResultError, match="has no 'loss'; it has accuracy, l2, nll"):
        meshes.triangulated(surface(), "loss")
    with pytest.raises(ResultError, match="ece is not known at any point"):
        meshes.triangulated(surface(ece=np.full((4, 5), np.nan)), "ece")
    lonely = [(i, j) for i in range(4) for j in range(5) if (i, j) != (2, 2)]
    with pytest.raises(ResultError, match="no three neighbouring points"):
        meshes.triangulated(surface(broken=lonely))
    with pytest.raises(LandscapeError, match="scale must be positive"):
        meshes.triangulated(surface(), scale=0.0)
    with pytest.raises(ResultError, match=r"no mesh has the suffix '\.png'"):
        meshes.write(meshes.triangulated(surface()), tmp_path / "s.png")
    assert not list(tmp_path.iterdir())
