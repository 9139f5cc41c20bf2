"""The page on maps of networks holds the numbers of its tables, and all of its pictures."""

from docs import phase
from tests.figures.phase_results import phase as small


def test_the_page_has_the_numbers_of_its_tables(shared_data):
    """Run `python -m docs.phase --published FILE` after a change of numbers or of the page."""
    grids = phase.both(shared_data / "taxonomy.csv")
    text = phase.PAGE.read_text(encoding="utf-8")
    assert phase.page(text, phase.tables(grids)) == text
    names = {f"map-{name}.webp" for name in grids} | {"quadrants.webp", "trends.webp"}
    assert {path.name for path in phase.PICTURES.iterdir()} == names
    assert all(f"images/phase/{name}" in text for name in names)


def test_a_second_grid_is_set_against_the_published_one():
    published, ours = small(seed=0), small(seed=1)
    found = phase.tables({phase.PUBLISHED: published, phase.OURS: ours})
    assert "| ours against theirs |" in found["trends"]
    assert "✓ same sign" in found["trends"]
    assert "## What a laptop reproduces" in found["laptop"]
    opposite = phase.tables({phase.PUBLISHED: published, phase.OURS: ours.assign(lmax=1 / ours.lmax)})
    assert "✗ opposite sign" in opposite["trends"]
    assert "1 the opposite sign (λmax (`lmax`))" in " ".join(opposite["laptop"].split())
    assert (
        phase.page("<!-- laptop -->\n<!-- end -->", {"laptop": "x"}) == "<!-- laptop -->\n\nx\n\n<!-- end -->"
    )
