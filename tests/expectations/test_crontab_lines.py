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
    found = {job.name: job for job in crontab_jobs(TEXT)}
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
        "* * * * * otel-job-measure exec",
        "* * * * * otel-job-measure exec --schedule",
        "* * * * * otel-job-measure",
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
