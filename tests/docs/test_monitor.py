"""docs/monitor.md says what the code does."""

from benchmarks.states import DOCS, drawing, filled
from otel_job_measure.insight.findings import STATES


def test_the_table_of_states_is_that_of_the_code() -> None:
    """`python -m benchmarks.states` writes the table and the drawing."""
    page = (DOCS / "monitor.md").read_text()
    assert filled(page) == page
    assert all(f"| `{kind.name}` |" in page for kind in STATES)


def test_the_drawing_is_that_of_the_table() -> None:
    """It needs nothing from elsewhere."""
    drawn = (DOCS / "monitor.svg").read_text()
    assert drawn == drawing()
    assert "href" not in drawn
