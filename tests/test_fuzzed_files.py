"""Valid files with bits flipped, cut off and spliced: read as what they were, or refused in our words.

A few examples run with every change, the same ones each time; ``LANDSCAPE_FUZZ=2000`` runs so many new ones.
"""

from __future__ import annotations

import contextlib
import io
import os
import pickle
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import save

from landscape import data
from landscape.checkpoint.statefile import read
from landscape.data.unpickle import unpickle
from landscape.errors import LandscapeError
from landscape.exchange import loss_landscape, published, tables
from landscape.results import load_bundle, save_bundle
from tests.exchange.surfaces import surface

MANY = int(os.environ.get("LANDSCAPE_FUZZ") or 0)
FUZZ = settings(
    max_examples=MANY or 25,
    derandomize=not MANY,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
PIXELS = np.random.default_rng(0).integers(0, 256, (4, 3, 8, 8), dtype=np.uint8)
STATE = {
    "a.weight": torch.arange(12.0).reshape(3, 4),
    "a.bias": torch.arange(3, dtype=torch.float16),
    "n": torch.tensor(7),
}
PUBLISHED = "".join(f"{x},{y},{','.join(map(str, range(1, 15)))}\n" for y in (-1, 0, 1) for x in (-1, 0, 1))


def _torch(zipped: bool) -> bytes:
    stream = io.BytesIO()
    torch.save({"state_dict": STATE, "epoch": 3}, stream, _use_new_zipfile_serialization=zipped)
    return stream.getvalue()


def _npz(save: Callable) -> bytes:
    stream = io.BytesIO()
    save(stream, images=PIXELS, labels=np.arange(4), class_names=np.array(list("abcd")))
    return stream.getvalue()


def _image(form: str) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(PIXELS[0].transpose(1, 2, 0)).save(stream, form)
    return stream.getvalue()


def _tensors(path: Path) -> dict[str, np.ndarray]:
    return {name: value.numpy() for name, value in read(path).tensors.items()}


def _arrays(path: Path) -> dict[str, np.ndarray]:
    samples = data.npz(path)
    return {"images": samples.inputs.numpy(), "labels": samples.targets.numpy()}


def _pickled(path: Path) -> dict[str, np.ndarray]:
    return {name: np.asarray(value) for name, value in unpickle(path).items()}


def _pictures(path: Path) -> dict[str, np.ndarray]:
    return {"images": data.images(path.parents[1]).images().numpy()}


def _surface(write: Callable, suffix: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return Path(write(surface(), Path(folder) / f"x{suffix}")).read_bytes()


def _as_bundle(dataset: xr.Dataset, path: Path) -> Path:
    return save_bundle({"net": {"surface": dataset}}, path)


def _grid(read: Callable[[Path], xr.Dataset]) -> Callable[[Path], dict[str, np.ndarray]]:
    return lambda path: {str(name): each.values for name, each in read(path).variables.items()}


FILES: dict[str, tuple[str, bytes, Callable[[Path], dict[str, np.ndarray]], bool]] = {
    # name: (file, content, reader, whether a changed value is always found, as there is a checksum)
    "torch": ("x.pt", _torch(True), _tensors, True),
    "old torch": ("x.pt", _torch(False), _tensors, False),
    "safetensors": ("x.safetensors", save(STATE, {"landscape": "{}"}), _tensors, False),
    "npz": ("x.npz", _npz(np.savez), _arrays, True),
    "compressed npz": ("x.npz", _npz(np.savez_compressed), _arrays, True),
    "pickle": ("x", pickle.dumps({"data": PIXELS, "labels": [1, 2]}, 2), _pickled, False),
    "png": ("a/x.png", _image("PNG"), _pictures, False),
    "jpeg": ("a/x.jpg", _image("JPEG"), _pictures, False),
    "tiff": ("a/x.tiff", _image("TIFF"), _pictures, False),
    "webp": ("a/x.webp", _image("WEBP"), _pictures, False),
    "bmp": ("a/x.bmp", _image("BMP"), _pictures, False),
    "ppm": ("a/x.ppm", _image("PPM"), _pictures, False),
    "h5 of loss-landscape": (
        *("x.h5", _surface(loss_landscape.write_surface, ".h5")),
        *(_grid(loss_landscape.read_surface), False),
    ),
    "npz of ours": ("x.npz", _surface(tables.write_npz, ".npz"), _grid(tables.read_npz), True),
    "csv of ours": ("x.csv", _surface(tables.write_csv, ".csv"), _grid(tables.read_csv), False),
    "published csv": ("x.csv", PUBLISHED.encode(), _grid(published.read), False),
    "bundle": (
        *("x.zip", _surface(_as_bundle, ".zip")),
        *(_grid(lambda path: next(iter(load_bundle(path).values()))["surface"]), True),
    ),
}

place = st.floats(0, 1, exclude_max=True)
change = st.one_of(
    st.tuples(st.just("flip"), place, st.integers(0, 7)),
    st.tuples(st.just("cut"), place, st.just(0)),
    st.tuples(st.just("drop"), place, st.integers(1, 40)),
    st.tuples(st.just("twice"), place, st.integers(1, 40)),
    st.tuples(st.just("swap"), place, st.integers(1, 40)),
    st.tuples(st.just("byte"), place, st.integers(0, 255)),
)


def changed(content: bytes, changes: list[tuple[str, float, int]]) -> bytes:
    raw = bytearray(content)
    for kind, where, how in changes:
        at = int(where * len(raw))
        if kind == "cut":
            del raw[at:]
        elif not raw:
            break
        elif kind == "flip":
            raw[at] ^= 1 << how
        elif kind == "byte":
            raw[at] = how
        elif kind == "drop":
            del raw[at : at + how]
        elif kind == "twice":
            raw[at:at] = raw[at : at + how]
        else:
            raw[at : at + 2 * how] = raw[at + how : at + 2 * how] + raw[at : at + how]
    return bytes(raw)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.filterwarnings("ignore")
def test_a_changed_file_is_what_it_was_or_is_refused(tmp_path, name):
    file, content, reader, checked = FILES[name]
    path = tmp_path / file
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    whole = reader(path)

    @FUZZ
    @given(st.lists(change, min_size=1, max_size=3))
    def reading(changes: list[tuple[str, float, int]]) -> None:
        path.write_bytes(changed(content, changes))
        try:
            found = reader(path)
        except LandscapeError:
            return
        if checked and found.keys() == whole.keys():
            assert all(np.array_equal(found[key], whole[key]) for key in whole)

    reading()


class Running:
    """Writes a file when it is unpickled by a reader that runs what it reads."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self):
        return (Path.touch, (self.canary,))


@pytest.mark.filterwarnings("ignore")
def test_nothing_is_run_whatever_is_changed(tmp_path):
    canary = tmp_path / "canary"
    stream = io.BytesIO()
    torch.save({"w": torch.zeros(3), "x": Running(canary)}, stream)
    with zipfile.ZipFile(stream) as file:
        inner = file.read("archive/data.pkl")
    pickle.loads(pickle.dumps(Running(canary)))
    canary.unlink()  # it does write, where it is run

    @FUZZ
    @given(st.lists(change, max_size=2))
    def reading(changes: list[tuple[str, float, int]]) -> None:
        for path, raw in ((tmp_path / "x.pt", stream.getvalue()), (tmp_path / "x", inner)):
            path.write_bytes(changed(raw, changes))
            for reader in (read, unpickle):
                with contextlib.suppress(LandscapeError):
                    reader(path)
        assert not canary.exists()

    reading()
