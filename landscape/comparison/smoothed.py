"""Where and how a network is smoothed, trained so or put in afterwards, from its stored record."""

from __future__ import annotations

import re

from landscape.comparison.roles import Record, Role, has_head, is_plain

STAGES = {"cifar-resnet": 3, "resnet": 4, "vgg": 5}
_PROBS = {"prob": "tanh", "relu6": "relu6", "scale": "scale"}
_BLURS = {"blur": 2, "blur3": 3, "blur5": 5}
_PLACE = re.compile(r"(?:layer|smooth)(\d)$")

Smoothing = tuple[str, int, tuple[int, ...] | None]
"""Prob, size of the blur kernel, and the stages that end with it, None for the paper's placement."""


def smoothing_of(each: Record) -> Smoothing | None:
    """The smoothing of a network that is plain otherwise; None if it is not plain, or smoothed otherwise.

    A network without any has ("none", 1, None).
    """
    config, surgery = each["config"], str(each.get("surgery") or "")
    smoothing = config.get("smoothing")
    if not is_plain({"config": {**config, "smoothing": None}}) or (smoothing and surgery):
        return None
    if surgery:
        return _put_in(surgery, config["architecture"])
    if not smoothing:
        return "none", 1, None
    return smoothing["prob"], len(smoothing["kernel"]), _tuple(smoothing.get("stages"))


def _tuple(stages: list[int] | tuple[int, ...] | None) -> tuple[int, ...] | None:
    return tuple(stages) if stages else None


def _put_in(surgery: str, architecture: str) -> Smoothing | None:
    """What `KIND@PLACE,…` put in; None for what has no counterpart in the papers."""
    kind, _, where = surgery.partition("@")
    parts = kind.split("-")
    if "+" in surgery or not set(parts) <= set(_PROBS) | set(_BLURS):
        return None
    prob = next((_PROBS[part] for part in parts if part in _PROBS), "none")
    kernel = next((_BLURS[part] for part in parts if part in _BLURS), 1)
    matched = [_PLACE.search(place) for place in where.split(",")]
    if not all(matched):
        return None
    first = 1 if architecture == "vgg" and "layer" in where else 0  # its stages are layer0 … layer4
    stages = tuple(sorted(int(each[1]) + first for each in matched if each))
    return prob, kernel, None if len(stages) == STAGES.get(architecture) else stages


def smoothed_with(prob: str, kernel: int, each: Record) -> bool:
    """Whether a network has this Prob and this blur in the paper's placement, and no other smoothing."""
    return has_head(each, "usual") and smoothing_of(each) == (prob, kernel, None)


def smoothed_after(stages: tuple[int, ...] | None, each: Record) -> bool:
    """Whether a network is blurred after these stages alone, None for every stage."""
    found = smoothing_of(each)
    if found is None or not has_head(each, "usual"):
        return False
    prob, kernel, places = found
    return kernel == 2 and prob in ("tanh", "none") and places == stages


def one_stage_in_turn(architecture: str, needs: tuple[str, ...]) -> list[Role]:
    """No smoothing, one smoothing layer after each stage in turn, and one after every stage.

    Args:
        architecture: As in a configuration, such as `resnet`.
        needs: Names of results, any one of which will do.
    """
    places: dict[str, tuple[int, ...] | None] = {
        f"after stage {stage}": (stage,) for stage in range(1, STAGES.get(architecture, 4) + 1)
    }
    places["after every stage"] = None

    def after(stages: tuple[int, ...] | None, *, trained: bool) -> Role:
        label = next(label for label, each in places.items() if each == stages)
        return Role(
            label if trained else f"{label}, put in",
            lambda each: smoothed_after(stages, each) and trained != bool(each.get("surgery")),
            needs,
        )

    plain = Role("no smoothing", lambda each: is_plain(each) and has_head(each, "usual"), needs)
    return [plain, *(after(stages, trained=way) for stages in places.values() for way in (True, False))]


def dropout_rates(rates: set[float], needs: tuple[str, ...]) -> list[Role]:
    """Plain networks by their dropout rate: those of the paper, and others there are."""

    def at(rate: float) -> Role:
        return Role(
            f"dropout {100 * rate:g} %",
            lambda each: (
                is_plain(each) and has_head(each, "gap") and float(each["config"].get("dropout", 0)) == rate
            ),
            needs,
            "any",
        )

    return [at(rate) for rate in sorted(rates | {0.0, 0.1, 0.2, 0.3})]
