"""What the seeds of one network are called, and what they are called together."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import takewhile

_SEPARATORS = "-_. "
_SEED = re.compile(r"(?:^|[-_. ])(?:seed|s)[-_. =]?\d+(?![A-Za-z0-9])", re.IGNORECASE)


def without_seed(name: str) -> str | None:
    """A name without its seed, `gap` for `gap-seed0`, `gap_s1` and `gap.seed=2`; None if it names none.

    What follows the seed stays: `gap-seed0+blur` is `gap+blur`.
    """
    found = _SEED.search(name)
    if found is None:
        return None
    return (name[: found.start()] + name[found.end() :]).strip(_SEPARATORS) or None


def common_name(names: Sequence[str]) -> str:
    """What seeds are called together: the name without the seed, or the words with which all begin.

    Args:
        names: At least one; a single one keeps its name, and so does the first of those that share no word.
    """
    if len(names) == 1:
        return names[0]
    stems = {without_seed(name) for name in names}
    if len(stems) == 1 and (stem := stems.pop()):
        return stem
    words = zip(*(re.split(f"([{_SEPARATORS}])", name) for name in names), strict=False)
    shared = takewhile(lambda found: len(set(found)) == 1, words)
    return "".join(found[0] for found in shared).strip(_SEPARATORS) or names[0]
