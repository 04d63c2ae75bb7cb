"""The lines of a crontab that run `otel-job-measure exec`."""

import pytest

from otel_job_measure.expectations.crontab_lines import crontab_jobs

TEXT = """
# m h dom mon dow command
MAILTO=root
PROJECT_NAME="billing"
5 2 * * *  otel-job-measure exec backup -- /srv/backup.sh
@hourly    cd /srv && /usr/local/bin/otel-job-measure exec --max-runtime 1h --grace=5m import -- ./import --name x
*/5 * * * * /srv/unmeasured.sh exec other
# 0 0 * * * otel-job-measure exec commented -- true
@reboot otel-job-measure exec --max-age 1d start -- true
CRON_TZ=Europe/Riga
0 3 * * 1 PROJECT_STAGE=staging python3 -m otel_job_measure exec --env-file /srv/x.env --timeout 2h weekly -- date +\\%F
0 4 * * * otel-job-measure exec 'a job' -- mail%otel-job-measure exec input -- x
0 5 * * * otel-job-measure exec "broken
0 6 * * * otel-job-measure exec --schedule '7 6 * * *' own -- true
0 7 * * * otel-job-measure runs
0 8 * * *
"""


def test_lines_that_are_measured_have_a_schedule() -> None:
    """With the zone, the variables above them and their options; other lines are left alone."""
    found = {job.name: job for job in crontab_jobs(TEXT) if not job.problem}
    assert {name: dict(job.limits) for name, job in found.items()} == {
        "backup": {"schedule": "5 2 * * *"},
        "import": {"schedule": "@hourly", "max_runtime": "1h", "grace": "5m"},
        "start": {"max_age": "1d"},
        "weekly": {"schedule": "0 3 * * 1", "timezone": "Europe/Riga"},
        "a job": {"schedule": "0 4 * * *", "timezone": "Europe/Riga"},
        "own": {"schedule": "7 6 * * *", "timezone": "Europe/Riga"},
    }
    assert found["backup"].line == 5
    assert found["backup"].variables == {"MAILTO": "root", "PROJECT_NAME": "billing"}
    assert (found["weekly"].variables["PROJECT_STAGE"], found["weekly"].env_file) == ("staging", "/srv/x.env")


def test_in_a_crontab_of_the_system_only_the_users_lines_count() -> None:
    """The runs of other users are in other state directories."""
    text = "5 2 * * * root otel-job-measure exec a -- true\n@daily www otel-job-measure exec b -- true\n@daily root\n"
    assert [job.name for job in crontab_jobs(text, user="www")] == ["b"]
    assert [job.name for job in crontab_jobs(text, user="root")] == ["a"]


@pytest.mark.parametrize(
    "line",
    [
        "* * * * * otel-job-measure",
        "* * * * otel-job-measure runs",
        "* * * * * echo exec otel-job-measure",
        "* * * *",
        "@daily",
        "=",
        "\0" * 50,
        "x" * 100_000,
        "* * * * * " + "'" * 5001,
    ],
)
def test_other_lines_are_nothing(line: str) -> None:
    """Whatever stands there."""
    assert list(crontab_jobs(line)) == []


EXEC = "otel-job-measure exec"
WRONG = {
    f"5 2 * * {EXEC} a -- true": "'5 2 * *' stands before the command: cron takes 5 fields (minute, hour,",
    f"5 2 * * * * {EXEC} a -- true": "'5 2 * * * *' stands before the command: cron takes 5 fields",
    f"5 2 * * * anna {EXEC} a -- true": "'anna' stands before the command: only a crontab of the system names a user",
    f"5 2 * * * {EXEC} a -- sh -c 'date +%F'": "a quote without an end; an unescaped % ends a command for cron",
    f"5 2 * * * {EXEC} --max-runtme 1h a -- true": "`exec` has no option '--max-runtme'",
    f"5 2 * * * {EXEC} -- true": "there is no job's name after `exec`",
    f"5 2 * * * {EXEC} --schedule": "there is no job's name after `exec`",
    f"5 2 * * * {EXEC}": "there is no job's name after `exec`",
    f"@daily {EXEC} a": "there is no command after the job's name",
}
WRONG_OF_SYSTEM = {
    f"5 2 * * * {EXEC} a -- true": "the user is missing: in a crontab of the system, it stands between",
    f"5 2 * * root {EXEC} a -- true": "'5 2 * * root' stands before the command: cron takes 5 fields",
    f"5 2 * * * * root {EXEC} a -- true": "'5 2 * * * *' stands before the command: cron takes 5 fields",
}


@pytest.mark.parametrize("line", WRONG)
def test_what_cron_or_exec_refuses_is_said(line: str) -> None:
    """With the number of the line; the lines around it count."""
    text = f"# first\n{line}\n@daily {EXEC} --keep-running good -- true\n"
    wrong, good = crontab_jobs(text, owner="anna")
    assert (wrong.line, good.name, good.problem) == (2, "good", "")
    assert WRONG[line] in wrong.problem


@pytest.mark.parametrize("line", WRONG_OF_SYSTEM)
def test_a_crontab_of_the_system_names_a_user(line: str) -> None:
    """Between five fields and the command."""
    (wrong,) = crontab_jobs(f"{line}\n", user="root")
    assert WRONG_OF_SYSTEM[line] in wrong.problem


def test_a_last_line_without_a_newline_is_said() -> None:
    """Debian's cron ignores such a file, others take the line: the job is expected."""
    job, problem = crontab_jobs(f"@daily {EXEC} a -- true")
    assert (job.name, job.problem, problem.name) == ("a", "", "")
    assert "has no newline at its end" in problem.problem
