"""The manifests for Kubernetes: right by the official schemas, and right together."""

import copy
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes_validate import utils  # type: ignore[import-untyped]  # it has types, and no marker

from otel_job_measure.cli import main
from otel_job_measure.settings import Settings
from tests.runtime.support import history
from tests.support.exec_ import COMMAND

FOLDER = Path(__file__).parents[2] / "collector" / "kubernetes"
FILES = sorted(FOLDER.glob("*.yaml"))
VERSIONS: list[str] = sorted({version for version in utils.all_versions() if int(version.split(".")[1]) >= 29})

Manifest = dict[str, Any]


def manifests() -> dict[str, Manifest]:
    """Returns the one resource of each file, by the file's name."""
    return {file.stem: yaml.safe_load(file.read_text()) for file in FILES}


def pod(manifest: Manifest) -> Manifest:
    """Returns the pod that a DaemonSet or a CronJob makes."""
    spec = manifest["spec"]
    template: Manifest = spec["jobTemplate"]["spec"]["template"] if "jobTemplate" in spec else spec["template"]
    return dict(template["spec"])


def variables(container: Manifest) -> dict[str, str]:
    """Returns what a container has in its environment, but for secrets."""
    shared: dict[str, str] = dict(manifests()["settings"]["data"])
    return shared | {each["name"]: each["value"] for each in container["env"] if "value" in each}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_manifest_is_what_kubernetes_takes(file: Path, version: str) -> None:
    """By the schemas of each version since 1.29, with no field that they don't have."""
    [manifest] = yaml.safe_load_all(file.read_text())
    assert utils.validate(manifest, version, strict=True)


def broken() -> Iterator[Manifest]:
    """Makes manifests that Kubernetes does not take."""
    wrong = copy.deepcopy(manifests()["cronjob"])
    wrong["spec"]["jobTemplate"]["spec"]["template"]["spec"]["restartPolicies"] = "Never"
    yield wrong
    wrong = copy.deepcopy(manifests()["cronjob"])
    wrong["spec"]["jobTemplate"]["spec"]["activeDeadlineSeconds"] = "an hour"
    yield wrong
    wrong = copy.deepcopy(manifests()["ship"])
    del wrong["spec"]["selector"]
    yield wrong


@pytest.mark.parametrize("manifest", list(broken()), ids=["unknown", "wrong", "missing"])
def test_the_validator_finds_what_is_wrong(manifest: Manifest) -> None:
    """A field that there isn't, a value of another type, a field that is missing."""
    with pytest.raises(utils.ValidationError):
        utils.validate(manifest, VERSIONS[-1], strict=True)


def test_there_is_a_manifest_for_each_part() -> None:
    """A job, what delivers for it, the agent, and what they share."""
    kinds = {name: (each["apiVersion"], each["kind"]) for name, each in manifests().items()}
    assert kinds == {
        "agent": ("apps/v1", "DaemonSet"),
        "cronjob": ("batch/v1", "CronJob"),
        "settings": ("v1", "ConfigMap"),
        "ship": ("apps/v1", "DaemonSet"),
    }


def test_jobs_and_ship_have_one_folder_and_one_user() -> None:
    """The node's folder, where each looks for it by its settings, and which its init container gives to that user."""
    seen: list[tuple[object, ...]] = []
    for name in ("cronjob", "ship"):
        spec = pod(manifests()[name])
        [container] = spec["containers"]
        [mount] = [each for each in container["volumeMounts"] if each["name"] == "state"]
        [volume] = [each for each in spec["volumes"] if each["name"] == "state"]
        security = spec["securityContext"] | container["securityContext"]
        assert mount["mountPath"] == str(Settings.from_env(variables(container)).state_path)
        seen.append(
            (volume["hostPath"]["path"], security["runAsUser"], security["runAsGroup"], security["runAsNonRoot"])
        )
    assert len(set(seen)) == 1
    path, user, group, _ = seen[0]
    [init] = pod(manifests()["ship"])["initContainers"]
    assert init["command"][-5:] == ["-o", str(user), "-g", str(group), path]
    assert {mount["mountPath"] for mount in init["volumeMounts"]} == {path}


def test_what_jobs_write_is_what_ship_sends() -> None:
    """Both have the same destination; the job only writes and has no token, `ship` has it in a file of the secret."""
    [job], [ship] = (pod(manifests()[name])["containers"] for name in ("cronjob", "ship"))
    jobs, ships = Settings.from_env(variables(job)), Settings.from_env(variables(ship))
    assert jobs.destination_id == ships.destination_id != "any"
    assert (jobs.ship, jobs.influxdb_token, jobs.influxdb_token_file) == (False, None, None)
    [mount] = [each for each in ship["volumeMounts"] if each["name"] == "token"]
    assert str(ships.influxdb_token_file) == f"{mount['mountPath']}/token"
    assert jobs.project == "billing"


def test_the_job_has_time_to_stop() -> None:
    """Between SIGTERM and SIGKILL there is more than our own time, and a deadline there is."""
    job = manifests()["cronjob"]["spec"]["jobTemplate"]["spec"]
    [container] = pod(manifests()["cronjob"])["containers"]
    settings = Settings.from_env(variables(container))
    assert pod(manifests()["cronjob"])["terminationGracePeriodSeconds"] > 2 * settings.shutdown_timeout_s
    assert job["activeDeadlineSeconds"] > 0
    assert len(pod(manifests()["cronjob"])["containers"]) == 1, "a container beside the job keeps it from completing"


def test_the_commands_are_ours(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`ship` and `exec` understand what the manifests give them."""
    [job], [ship] = (pod(manifests()[name])["containers"] for name in ("cronjob", "ship"))
    assert (job["command"][0], ship["command"]) == ("otel-job-measure", ["otel-job-measure", "ship"])
    command = [*job["command"][1 : job["command"].index("--") + 1], "true"]
    done = subprocess.run(
        [*COMMAND, *command], env=os.environ | {"OTEL_JOB_MEASURE_STATE_DIR": str(tmp_path)}, check=False
    )
    assert done.returncode == 0
    with pytest.raises(SystemExit) as left:
        main([*ship["command"][1:], "--help"])
    assert left.value.code == 0
    assert "--once" in capsys.readouterr().out
    assert history(tmp_path) == [("nightly", "end", None)]


def test_the_agent_takes_what_its_configuration_asks_for() -> None:
    """Each variable that the manifest sets is one of the configuration's, and the secret's key is the one there is."""
    text = (FOLDER.parent / "agent.yaml").read_text()
    [agent] = pod(manifests()["agent"])["containers"]
    for each in agent["env"]:
        assert f"${{env:{each['name']}" in text
    required = ("TRACES_ENDPOINT", "INFLUXDB_URL", "INFLUXDB_TOKEN", "INFLUXDB_ORG", "INFLUXDB_BUCKET")
    names = {each["name"] for each in agent["env"]} | manifests()["settings"]["data"].keys()
    assert names >= set(required)
    ports = {each["name"]: each["containerPort"] for each in agent["ports"]}
    set_to = variables(agent)
    assert set_to["OTLP_GRPC_LISTEN"] == f"0.0.0.0:{ports['otlp-grpc']}"
    assert set_to["OTLP_HTTP_LISTEN"] == f"0.0.0.0:{ports['otlp-http']}"
    assert set_to["COLLECTOR_HEALTH_LISTEN"] == f"0.0.0.0:{ports['health']}"
    limit = agent["resources"]["limits"]["memory"]
    assert int(set_to["COLLECTOR_MEMORY_MIB"]) < int(limit.removesuffix("Mi"))


def test_sigterm_reaches_a_command_below_the_first_process_of_a_container(state_dir: Path) -> None:
    """`exec` as process 1 hands it on, as at a deadline, and the run ends as failed, by a signal."""
    unshare = shutil.which("unshare")
    apart = [str(unshare), "--pid", "--fork", "--mount-proc", "--kill-child"]
    if unshare is None or subprocess.run([*apart, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine gives nobody a PID namespace of their own")
    script = "echo $PPID; exec sleep 100"
    command = [*apart, *COMMAND, "exec", "--env-file", os.devnull, "nightly", "--", "sh", "-c", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as container:
        assert container.stdout is not None
        assert container.stdout.readline() == "1\n"
        [first] = Path(f"/proc/{container.pid}/task/{container.pid}/children").read_text().split()
        os.kill(int(first), signal.SIGTERM)
    assert container.returncode == 128 + signal.SIGTERM
    assert history(state_dir) == [("nightly", "failed", "signal")]
