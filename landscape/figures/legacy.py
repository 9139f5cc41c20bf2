"""Figures that are not registered by their own files yet."""

from collections.abc import Callable
from typing import Any

from landscape.figures import captions_curvature, captions_features, captions_surface, captions_trajectory
from landscape.figures.surface.sequence import frames


def all_of() -> dict[str, Any]:
    """All of them."""
    from landscape.figures import catalogue
    from landscape.figures.registry import Drawing, named

    found = {}
    for further, table in ((False, catalogue.FIGURES), (True, catalogue.FURTHER)):
        for index, (name, old) in enumerate(table.items()):
            kind, write = _CAPTIONS[name]
            read, heads = (lambda d, kind=kind: named(d, kind)), dict
            if name == "sequence":
                read, heads = frames, (lambda rows: {n: f[0] for n, f in rows.items()})
            found[name] = Drawing(
                name,
                old.kind,
                old.title,
                old.description,
                old.draw,
                read,
                write,
                heads,
                old.per_network,
                old.suits,
                further,
                index - 1000,
            )
    return found


_CAPTIONS: dict[str, tuple[str, Callable[..., str]]] = {
    "contours": ("surface", captions_surface.contours),
    "surface3d": ("surface", captions_surface.surface3d),
    "lines": ("surface", captions_surface.lines),
    "sequence": ("surface", captions_surface.sequence),
    "trajectory": ("trajectory", captions_trajectory.trajectory),
    "polar": ("trajectory", captions_trajectory.polar),
    "spectrum": ("spectrum", captions_curvature.spectrum),
    "density": ("density", captions_curvature.density),
    "layers": ("layers", captions_curvature.layers),
    "fourier": ("features", captions_features.fourier),
    "radial": ("features", captions_features.radial),
    "amplitude": ("features", captions_features.amplitude),
    "high_frequency": ("features", captions_features.high_frequency),
    "variance": ("features", captions_features.variance),
    "uncertainty": ("features", captions_features.uncertainty),
    "smoothing_effect": ("features", captions_features.smoothing_effect),
    "aliasing": ("aliasing", captions_features.aliasing),
    "covariance": ("covariance", captions_features.covariance),
    "maps": ("maps", captions_features.maps),
    "noise": ("noise", captions_features.noise),
    "similarity": ("similarity", captions_features.similarity),
    "lesion": ("lesion", captions_features.lesion),
}
