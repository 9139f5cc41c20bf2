"""The family that ships with the package: nine ResNet-20s trained by one recipe, one factor apart."""

from __future__ import annotations

from importlib.resources import as_file, files
from typing import TYPE_CHECKING

from landscape.errors import LandscapeError

if TYPE_CHECKING:
    import xarray as xr

    from landscape.network import Network

MODELS = {
    "mlp": "cifar-resnet20:head=mlp,hidden=128",
    "gap": "cifar-resnet20",
    "gap-blur": "cifar-resnet20:blur",
    "gap-relu6": "cifar-resnet20:kernel=1,prob=relu6",
    "gap-preact": "cifar-preresnet20",
    "gap-preact-blur-relu6": "cifar-preresnet20:blur,prob=relu6",
    "mcd-mlp": "cifar-resnet20:head=mlp,hidden=128,dropout=0.2",
    "mcd-gap": "cifar-resnet20:dropout=0.2",
    "mcd-gap-blur": "cifar-resnet20:blur,dropout=0.2",
}
"""Model specification of each member; how they were trained is in docs/family.md."""

NAMES = tuple(MODELS)
WEIGHT_DECAY = 5e-4
_BUNDLES = {"family": "measured.zip", "attention": "attention.zip", "fair": "fair.zip"}


def load(name: str) -> Network:
    """One member of the family.

    Args:
        name: One of `NAMES`.

    Raises:
        LandscapeError: If there is no such member.

    Examples:
        >>> import landscape as ls
        >>> network = ls.family.load("gap-blur")
        >>> network.architecture, sum(each.numel() for each in network.module.parameters())
        ('cifar-resnet20-gap-tanh+blur11', 269722)
    """
    from landscape import checkpoint

    if name not in MODELS:
        raise LandscapeError(f"the family has no {name!r}; its members are {', '.join(NAMES)}")
    with as_file(files(__package__) / f"{name}.safetensors") as path:
        return checkpoint.load(path, name=name)


def measured(which: str = "family") -> dict[str, dict[str, xr.Dataset]]:
    """What was measured of networks that ship, or do not: figures rebuild from it without training.

    Args:
        which: `family` is the family with other seeds of it: `gap-seed2-epoch008` is half trained,
            `narrow-gap-seed0` has half the width, `few-gap-seed0` saw 5,000 images. `attention` is a ResNet,
            an AlterNet and a vision transformer, see docs/attention.md; `fair` of the networks of
            docs/protocol.md, `mlp-seed0-epoch030` one of them on its way.

    Returns:
        Network name, such as `gap-seed1` → name of the result → dataset, in the order of `NAMES`. How it was
        measured is in docs/results.md.

    Raises:
        LandscapeError: If nothing of that name ships.

    Examples:
        >>> import landscape as ls
        >>> results = ls.family.measured()
        >>> results["gap-seed0"]["surface"].nll.dims
        ('y', 'x')
    """
    from landscape.results import load_bundle

    if which not in _BUNDLES:
        raise LandscapeError(f"no results called {which!r} ship; there are {', '.join(_BUNDLES)}")
    with as_file(files(__package__) / _BUNDLES[which]) as path:
        found = load_bundle(path)
    if which != "family":
        return found

    def place(name: str) -> tuple[int, str]:
        stem = name.partition("-seed")[0]
        return NAMES.index(stem) if stem in NAMES else len(NAMES), name

    return {name: found[name] for name in sorted(found, key=place)}
