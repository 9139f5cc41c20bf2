"""Items that are run one after the other in memory, and how far they are."""

import numpy as np
import pytest

from landscape import work
from landscape.work import in_memory


def test_items_come_in_order_behind_a_progress_bar():
    seen = []

    def progress(items, label, total):
        items = list(items)
        seen.append(([index for index, _ in items], label, total))
        return items

    def compute(index: int) -> dict[str, np.ndarray]:
        return {"square": np.array(index**2)}

    found = in_memory(progress)(4, compute, "squares")
    assert [int(item["square"]) for item in found] == [0, 1, 4, 9]
    assert seen == [([0, 1, 2, 3], "squares", 4)]
    assert in_memory()(0, compute, "squares") == []


def test_an_error_stops_the_run():
    with pytest.raises(ZeroDivisionError):
        in_memory()(3, lambda index: {"value": np.array(1 // index)}, "values")


def test_a_log_has_a_line_for_each_state_of_a_bar(capsys):
    stream = work._Lines()
    for text in ("\rsurface:  10%", "\rsurface:  20%  ", "\r            \r", ""):
        stream.write(text)
    assert capsys.readouterr().err == "surface:  10%\nsurface:  20%\n"


def test_short_work_leaves_no_line_in_a_log(capsys):
    assert list(work.bar(range(3), "evaluate", 3)) == [0, 1, 2]
    assert capsys.readouterr().err == ""
