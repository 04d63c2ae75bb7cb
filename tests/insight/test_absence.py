import pytest

from otel_job_measure.insight.absence import Evidence, Known, Span
from otel_job_measure.points.monitor import Sender

from .made import DAY, HOUR, STEADY_HOURLY, at, expected, history, judgement, names_of, opened, run, sender, server

DUE = Span(at(-60), at(360))
"""The window of an hourly job's due time."""


def _span(from_s: float, until_s: float) -> Span:
    return Span(at(from_s), at(until_s))


@pytest.mark.parametrize(
    ("evidence", "known"),
    [
        (history(361), Known.ABSENT),
        (history(361, complete=360), Known.NOT_YET),
        (history(1000, complete=300), Known.UNKNOWN),
        (history(1000, gaps=(_span(300, 310),)), Known.UNKNOWN),
        (history(1000, gaps=(_span(361, 400),)), Known.ABSENT),
        (history(1000, gaps=(_span(-100, -61),)), Known.ABSENT),
    ],
)
def test_a_history_is_complete_up_to_its_ingest(evidence: Evidence, known: Known) -> None:
    """Dropped points and journals in memory make a time of which it says nothing."""
    assert evidence.absence(DUE, {"a"}) is known


@pytest.mark.parametrize(
    ("evidence", "known"),
    [
        (server(479, sender("a", 470)), Known.NOT_YET),
        (server(480, sender("a", 470)), Known.ABSENT),
        (server(480, sender("a", 470, 360)), Known.NOT_YET),
        (server(480, sender("a", 470, 360, pending=1)), Known.UNKNOWN),
        (server(480, sender("a", 470, 361, pending=1)), Known.ABSENT),
        (server(480, sender("a", 200)), Known.ABSENT),
        (server(480, sender("a", 310), sender("b", 470)), Known.NOT_YET),
        (server(550, sender("a", 310), sender("b", 540)), Known.ABSENT),
        (server(480, sender("a", 100, left=True), sender("b", 470)), Known.ABSENT),
        (server(480, sender("a", 100, pending=1, left=True), sender("b", 470)), Known.UNKNOWN),
        (server(480, sender("a", 470), sender("b", 470, 0, pending=9)), Known.ABSENT),
        (server(480), Known.UNKNOWN),
        (server(480, sender("a", 470), ahead={"a": _span(300, 900)}), Known.UNKNOWN),
        (server(480, sender("a", 470), ahead={"a": _span(361, 900)}), Known.ABSENT),
        (server(480, sender("a", 470), ahead={"b": _span(300, 900)}), Known.ABSENT),
    ],
)
def test_absence_in_influxdb_is_decided_two_minutes_after_the_grace(evidence: Evidence, known: Known) -> None:
    """It is not while a host in scope has a backlog, or a live one has not said that it is complete."""
    assert evidence.absence(DUE, {"a"}) is known


def test_all_hosts_count_if_none_is_known() -> None:
    """A job that never ran could have run anywhere."""
    assert server(480, sender("a", 470), sender("b", 470, 0, pending=9)).absence(DUE, ()) is Known.UNKNOWN
    assert server(480, sender("a", 470), sender("b", 470)).absence(DUE, ()) is Known.ABSENT


@pytest.mark.parametrize(
    ("senders", "known"),
    [
        ((sender("a", 9000), sender("b", 9000)), Known.ABSENT),
        ((sender("a", 9000), sender("b", -200)), Known.UNKNOWN),
        ((sender("a", 9000), sender("b", 9000, 300, pending=50)), Known.UNKNOWN),
        ((sender("a", 9000), sender("b", 9000, 361, pending=50)), Known.ABSENT),
        ((sender("a", 9000), sender("b", -200, left=True)), Known.UNKNOWN),
        ((sender("a", 9000), sender("b", -HOUR)), Known.ABSENT),
        ((sender("a", 9000), sender("b", -HOUR, left=True)), Known.UNKNOWN),
        ((sender("a", 9000),), Known.UNKNOWN),
    ],
)
def test_after_an_outage_each_host_in_scope_has_to_speak(senders: tuple[Sender, ...], known: Known) -> None:
    """The first host that is back says nothing about the others; one that was gone before need not come back."""
    assert server(9010, *senders, gaps=(_span(-100, 8000),)).absence(DUE, {"a", "b"}) is known


def test_a_host_that_was_gone_before_an_outage_has_some_minutes_to_return() -> None:
    """It can have come back in the outage, with rows that wait."""
    senders = (sender("a", 8090), sender("b", -HOUR))
    assert server(8100, *senders, gaps=(_span(-100, 8000),)).absence(DUE, {"a", "b"}) is Known.UNKNOWN
    assert server(8700, sender("a", 8690), senders[1], gaps=(_span(-100, 8000),)).absence(DUE, {"a"}) is Known.ABSENT


def test_a_job_can_move_in_an_outage() -> None:
    """Then the hosts on which it did not run before have to speak too, or stay silent for some minutes."""
    gap = (_span(-100, 8000),)
    others = [sender("b", -150), sender("b", 8050, 300, pending=3), sender("b", 8050)]
    found = [server(8100, sender("a", 8090), other, gaps=gap).absence(DUE, {"a"}, may_move=True) for other in others]
    assert found == [Known.UNKNOWN, Known.UNKNOWN, Known.ABSENT]
    assert server(8700, sender("a", 8690), others[0], gaps=gap).absence(DUE, {"a"}, may_move=True) is Known.ABSENT
    assert server(8100, sender("a", 8090), others[0], gaps=gap).absence(DUE, {"a"}) is Known.ABSENT


def test_an_outage_before_the_time_does_not_matter() -> None:
    """Only what meets the time counts."""
    assert server(480, sender("a", 470), gaps=(_span(-1000, -61),)).absence(DUE, {"a"}) is Known.ABSENT
    assert server(480, sender("a", 470, 300), gaps=(_span(-1000, -60),)).absence(DUE, {"a"}) is Known.UNKNOWN


@pytest.mark.parametrize(
    ("senders", "is_outage"),
    [
        ((sender("a", 100), sender("b", 110)), True),
        ((sender("a", 100), sender("b", 400)), False),
        ((sender("a", 100),), False),
        ((sender("a", 100), sender("b", 100, left=True)), False),
        ((sender("a", 100, left=True), sender("b", 100, left=True)), False),
        ((), True),
    ],
)
def test_silence_of_all_hosts_is_an_outage(senders: tuple[Sender, ...], *, is_outage: bool) -> None:
    """The silence of a single host, or of hosts that left, is none: no other finding would tell of a dead host."""
    assert (server(480, *senders).outage_now() is not None) is is_outage


def test_a_clock_that_is_ahead_hides_no_outage() -> None:
    """The last word of such a host looks fresh for minutes after all hosts fell silent."""
    words = (sender("a", 100), sender("b", 110), sender("fast", 410))
    assert server(400, *words).outage_now() is None
    outage = server(400, *words, ahead={"fast": _span(0, 410)}).outage_now()
    assert outage == _span(110, 400)


def test_in_an_outage_runs_are_neither_silent_nor_over_their_limit() -> None:
    """Their signs of life and their ends wait with their hosts."""
    of = expected(max_runtime_s=100.0)
    away = (sender("a", 20), sender("b", 20))
    assert names_of(judgement(server(HOUR, *away), of, open_runs=(opened(0, 15),))) == ["unknown", "running"]
    assert names_of(judgement(server(HOUR, *away), None, open_runs=(opened(0, 15),))) == ["running"]
    back = server(HOUR, sender("a", 3590), sender("b", 3590), gaps=(_span(20, 3500),))
    assert names_of(judgement(back, of, open_runs=(opened(0, 15),))) == ["overrun", "running"]
    later = server(3700, sender("a", 3690), sender("b", 3690), gaps=(_span(20, 3500),))
    assert names_of(judgement(later, None, open_runs=(opened(0, 15),))) == ["silent"]


def test_an_outage_that_has_just_begun_makes_no_run_silent() -> None:
    """A run's last sign can be a minute older than the last words of all hosts, so its silence is seen first."""
    words = (sender("a", 60), sender("b", 62))
    assert names_of(judgement(server(200, *words), None, open_runs=(opened(0, 15),))) == ["running"]
    heard = (sender("a", 180), sender("b", 62))
    assert names_of(judgement(server(200, *heard), None, open_runs=(opened(0, 15),))) == ["silent"]


def test_a_power_cut_after_a_start_is_found_within_four_minutes() -> None:
    """With no sign of life at all, three usual intervals after the start are enough, also if it is the only host."""
    cut = opened(0, None)
    assert names_of(judgement(server(179, sender("a", 15)), None, open_runs=(cut,))) == ["running"]
    assert names_of(judgement(server(180, sender("a", 15)), None, open_runs=(cut,))) == ["silent"]
    beside = (sender("a", 15), sender("b", 220))
    assert names_of(judgement(server(230, *beside), None, open_runs=(cut,))) == ["silent"]


def test_an_open_run_of_a_host_with_a_backlog_is_not_silent() -> None:
    """Its signs of life may wait behind the backlog."""
    evidence = server(HOUR, sender("a", 3590, 100, pending=7), sender("b", 3590))
    assert names_of(judgement(evidence, None, open_runs=(opened(0, 90, host="a"),))) == ["running"]
    assert names_of(judgement(evidence, None, open_runs=(opened(0, 90, host="b"),))) == ["silent"]


def test_a_history_that_knows_no_sign_of_life_finds_no_silence() -> None:
    """It is beside the journal, whose recovery pass ends lost runs."""
    assert names_of(judgement(history(HOUR), None, open_runs=(opened(0, None),))) == ["running"]


def test_failures_in_a_row_need_all_hosts_between_them() -> None:
    """A success of another host can wait; a single failure decides at once."""
    runs = (run(0, 10, reason="error", host="a"), run(3600, 3610, reason="error", host="a"), run(-10, -5, host="b"))
    waits = server(3620, sender("a", 3615), sender("b", 3615, 100, pending=3))
    assert names_of(judgement(waits, expected(failures=2), *runs)) == ["ok"]
    assert names_of(judgement(waits, expected(failures=1), *runs)) == ["failing"]
    told = server(3680, sender("a", 3675), sender("b", 3675))
    assert names_of(judgement(told, expected(failures=2), *runs)) == ["failing"]


def test_an_outage_of_a_day_is_unknown_and_then_all_true_misses_come_at_once() -> None:
    """While InfluxDB is away nothing is missed; afterwards only the due times without a run are, at their times."""
    of = expected(schedule="0 * * * *", timezone="UTC")
    away = server(DAY, sender("a", 30), sender("b", 40))
    assert names_of(judgement(away, of, *STEADY_HOURLY, run(5, 15))) == ["unknown"]
    ran = tuple(run(each * HOUR + 5, each * HOUR + 15) for each in range(24) if each not in {7, 8})
    gap = (_span(40, DAY),)
    back = server(DAY + 90, sender("a", DAY + 80, 10 * HOUR, pending=100), sender("b", DAY + 80), gaps=gap)
    assert "missed" not in names_of(judgement(back, of, *STEADY_HOURLY, *ran[:9]))
    done = server(DAY + 200, sender("a", DAY + 190), sender("b", DAY + 190), gaps=gap)
    judged = judgement(done, of, *STEADY_HOURLY, *ran, run(DAY + 2, DAY + 12))
    assert names_of(judged) == ["ok"]
    assert [event.due_ns for event in judged.events if event.event == "missed"] == [at(7 * HOUR), at(8 * HOUR)]
