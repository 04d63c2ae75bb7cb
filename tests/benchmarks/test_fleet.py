from benchmarks.fleet.plan import DAY_S, Fleet, pairs


def test_series_grow_with_jobs_and_places_only() -> None:
    """Runs add no series; a tag for the host multiplies them."""
    fleet = Fleet(hosts=20, jobs=30, runs_s=1, sites=2, endings=3)
    assert (fleet.old_series, fleet.run_series, fleet.series) == (60, 180, 240)
    assert fleet.host_series == 30 * 20 * 4


def test_pairs_grow_with_the_square() -> None:
    """Twice as many rows in the same time meet four times as often; twice the time halves that."""
    assert pairs(200, 1.0) == 4 * pairs(100, 1.0) == 2 * pairs(200, 2.0)
    assert pairs(2000, 1e-5) == 200


def test_the_rows_of_a_day_are_the_fleets() -> None:
    """One series with 20 rows a second has 20 * 20 / 2 chances in 10^9 each second."""
    fleet = Fleet(hosts=1, jobs=1, runs_s=10, sites=1, endings=1)
    assert abs(fleet.merged_a_day() - DAY_S * 200 / 1e9) < 1e-12
