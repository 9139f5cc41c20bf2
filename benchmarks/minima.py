"""Alignment, learning coefficient and worst-case sharpness against other code, as ratios in one run.

    python -m benchmarks.minima --out benchmarks/results

Works take turns, so that all meet the same machine; seconds and ratios are medians over the turns. A ratio
is the peer's time over ours. The images are those inside the package. Peers are rebasin (alignment.py),
devinterp (sampling.py) and a plain loop (ascent.py); a row says why where one cannot be imported.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from benchmarks.alignment import aligned, initialised, permuted_copy, shaken
from benchmarks.ascent import climbed
from benchmarks.environment import write
from benchmarks.hessian import images
from benchmarks.sampling import sampled, trained
from benchmarks.turns import missing
from landscape import checkpoint, data, family

Rows = Iterable[dict[str, Any]]

PEERS = {"alignment": ("rebasin",), "llc": ("devinterp.slt.sampler", "devinterp.optim"), "worst": ()}
"""What each part imports of other packages."""
PLAIN = "vgg11:width=16,head=gap"
SMALL = "cifar-resnet20:width=4"


def alignment(other: str | None, count: int, turns: int) -> Rows:
    """A permuted copy, another network of one architecture, and a network without residual streams.

    Args:
        other: A checkpoint with the architecture of `gap`; without it, noise on `gap` stands in for another.
        count: Images.
        turns: How often each is measured.
    """
    samples, gap = images(count), family.load("gap")
    yield aligned("a permuted copy of a ResNet-20", gap, permuted_copy(gap, samples), samples, turns)
    if other is None:
        second = permuted_copy(shaken(gap), samples)
        case = "a ResNet-20 and a permuted copy with noise of half the weights' size"
    else:
        second, case = checkpoint.load(other), "two ResNet-20s that were trained apart"
    yield aligned(case, gap, second, samples, turns)
    plain = initialised(PLAIN, samples.take(64))
    yield aligned(f"a permuted copy of {PLAIN}", plain, permuted_copy(plain, samples), samples, turns)


def llc(spec: str, training: int, turns: int, **options: Any) -> Rows:
    """The learning coefficient of a small network that is trained on the images of the package first.

    Args:
        spec: Of the zoo.
        training: Steps of that.
        turns: How often each is measured.
        **options: Fields of `landscape.sharpness.Sampler`.
    """
    objective = trained(spec, data.demo("train"), steps=training)
    yield sampled(f"{spec} after {training:,} steps", objective, turns, **options)


def worst(count: int, turns: int) -> Rows:
    """Worst-case sharpness of `gap` over the first training images."""
    return climbed(family.load("gap"), data.demo("train").take(count), turns)


def measured(
    parts: dict[str, Callable[[], Rows]], say: Callable[[str], None] = print
) -> list[dict[str, Any]]:
    """All rows of these parts; of a part without its peer, one that says so.

    Args:
        parts: By name, as in `PEERS`.
        say: Receives every row as JSON.
    """
    rows: list[dict[str, Any]] = []
    for name, part in parts.items():
        reason = missing(*PEERS[name])
        for row in [{"case": name, "peer": PEERS[name][0], "says": reason}] if reason else part():
            rows.append(row)
            say(json.dumps(row))
    return rows


def main() -> None:
    """Run the cases and write JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--other", help="a ResNet-20 for CIFAR-10 that was trained apart from `gap`")
    parser.add_argument("--only", choices=list(PEERS), action="append")
    parser.add_argument("--images", type=int, default=512, help="of worst-case sharpness")
    parser.add_argument("--training", type=int, default=600, help="steps that train the network of the LLC")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results"))
    chosen = parser.parse_args()
    parts: dict[str, Callable[[], Rows]] = {
        "alignment": lambda: alignment(chosen.other, 256, chosen.turns),
        "llc": lambda: llc(SMALL, chosen.training, chosen.turns),
        "worst": lambda: worst(chosen.images, chosen.turns),
    }
    rows = measured({name: parts[name] for name in chosen.only or parts})
    print(write(chosen.out, "minima-cpu", rows))


if __name__ == "__main__":
    main()
