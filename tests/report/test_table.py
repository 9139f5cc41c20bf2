import pytest

from landscape.report.table import sheets


@pytest.mark.parametrize("columns", range(40))
def test_sheets_hold_every_column_once(columns):
    parts = [list(range(columns))[part] for part in sheets(columns)]
    assert [column for part in parts for column in part] == list(range(columns))
    assert all(1 <= len(part) <= 7 for part in parts)
    assert len({len(part) for part in parts}) <= 2


def test_columns_are_dealt_out_evenly():
    assert [part.stop - part.start for part in sheets(8)] == [4, 4]
    assert [part.stop - part.start for part in sheets(13)] == [6, 7]
