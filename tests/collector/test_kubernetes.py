"""The manifests for Kubernetes: right by the official schemas, and right together."""

import copy
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes_validate import utils  # type: ignore[import-untyped]  # it has types, and no marker

from otel_job_measure.cli import main
from otel_job_measure.cli.healthz import address
from otel_job_measure.settings import Settings
from tests.collector.conftest import ENVIRONMENT
from tests.runtime.support import history
from tests.support.collectors import built
from tests.support.exec_ import COMMAND

FOLDER = Path(__file__).parents[2] / "collector" / "kubernetes"
VERSIONS: list[str] = sorted({version for version in utils.all_versions() if int(version.split(".")[1]) >= 29})
NAME = "app.kubernetes.io/name"
LASTING = ("otel-job-measure-ship", "otel-agent", "otel-telegraf", "otel-gateway")

Manifest = dict[str, Any]


@pytest.fixture(scope="session")
def checker() -> Path:
    """The program that builds a kustomization and has Kubernetes' own check judge its pods."""
    return built("manifests", ENVIRONMENT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What a kustomization makes, and what the Pod Security Standard `restricted` has against it."""

    all: list[Manifest]
    against: list[str]

    def one(self, kind: str, name: str) -> Manifest:
        """Returns the resource of a kind and a name."""
        [found] = [each for each in self.all if (each["kind"], each["metadata"]["name"]) == (kind, name)]
        return found

    def pods(self) -> dict[str, Manifest]:
        """Returns the pods that resources make, by the names of these."""
        return {each["metadata"]["name"]: pod(each) for each in self.all if pod(each)}


def made(checker: Path, folder: str) -> Resources:
    """Builds a kustomization."""
    command = [str(checker), str(FOLDER / folder), "restricted"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    return Resources(all=list(yaml.safe_load_all(done.stdout)), against=done.stderr.splitlines())


@pytest.fixture(params=["base", "restricted"])
def resources(checker: Path, request: pytest.FixtureRequest) -> Resources:
    """Each kustomization in turn."""
    return made(checker, str(request.param))


@pytest.fixture
def base(checker: Path) -> Resources:
    """The one with folders of the node."""
    return made(checker, "base")


def pod(manifest: Manifest) -> Manifest:
    """Returns the pod that a resource makes; empty if it makes none."""
    spec = manifest.get("spec", {})
    template: Manifest = spec["jobTemplate"]["spec"]["template"] if "jobTemplate" in spec else spec.get("template", {})
    return dict(template.get("spec", {}))


def variables(resources: Resources, container: Manifest) -> dict[str, str]:
    """Returns what a container has in its environment, but for secrets."""
    shared: dict[str, str] = dict(resources.one("ConfigMap", "otel-job-measure")["data"])
    return shared | {each["name"]: each["value"] for each in container["env"] if "value" in each}


@pytest.mark.parametrize("version", VERSIONS)
def test_a_manifest_is_what_kubernetes_takes(resources: Resources, version: str) -> None:
    """By the schemas of each version since 1.29, with no field that they don't have."""
    for manifest in resources.all:
        assert utils.validate(manifest, version, strict=True)


def broken(base: Resources) -> Iterator[Manifest]:
    """Makes manifests that Kubernetes does not take."""
    wrong = copy.deepcopy(base.one("CronJob", "nightly"))
    wrong["spec"]["jobTemplate"]["spec"]["template"]["spec"]["restartPolicies"] = "Never"
    yield wrong
    wrong = copy.deepcopy(base.one("CronJob", "nightly"))
    wrong["spec"]["jobTemplate"]["spec"]["activeDeadlineSeconds"] = "an hour"
    yield wrong
    wrong = copy.deepcopy(base.one("DaemonSet", "otel-agent"))
    del wrong["spec"]["selector"]
    yield wrong


def test_the_validator_finds_what_is_wrong(base: Resources) -> None:
    """A field that there isn't, a value of another type, a field that is missing."""
    for manifest in broken(base):
        with pytest.raises(utils.ValidationError):
            utils.validate(manifest, VERSIONS[-1], strict=True)


def test_a_restricted_namespace_admits_all_pods(checker: Path) -> None:
    """By Kubernetes' own check. In the base only what uses a folder of the node is against it."""
    assert made(checker, "restricted").against == []
    assert {line.split(":")[0] for line in made(checker, "base").against} == {
        "DaemonSet otel-job-measure-ship",
        "CronJob nightly",
    }


def test_nothing_of_the_measuring_keeps_a_job_from_starting(resources: Resources) -> None:
    """No ConfigMap, Secret, claim or folder that has to be there first, and no container before the job's."""
    spec = pod(resources.one("CronJob", "nightly"))
    [job] = spec["containers"]
    assert not spec.get("initContainers")
    references = [next(iter(each.values())) for each in job["envFrom"]]
    references += [each["secret"] for each in spec["volumes"] if "secret" in each]
    assert [each["optional"] for each in references] == [True, True]
    assert not any("persistentVolumeClaim" in each or "configMap" in each for each in spec["volumes"])
    assert [each["hostPath"]["type"] for each in spec["volumes"] if "hostPath" in each] in ([], ["DirectoryOrCreate"])


def test_no_pod_takes_more_than_it_needs(resources: Resources) -> None:
    """Each image has a version, each port is the pod's own; nothing is written to an image or asked of the cluster."""
    for spec in resources.pods().values():
        assert spec["automountServiceAccountToken"] is False
        for container in (*spec["containers"], *spec.get("initContainers", [])):
            assert container["securityContext"]["readOnlyRootFilesystem"] is True
            assert re.search(r":\d", container["image"])
            assert not any("hostPort" in port for port in container.get("ports", []))


def test_each_lasting_program_is_probed(resources: Resources) -> None:
    """Whether it lives and whether it is ready, at a port that it has."""
    pods = resources.pods()
    for name in LASTING:
        if name not in pods:
            continue
        [container] = pods[name]["containers"]
        ports = {port["name"] for port in container["ports"]}
        for probe in (container["livenessProbe"], container["readinessProbe"]):
            assert next(probe[how]["port"] for how in ("httpGet", "tcpSocket") if how in probe) in ports


def test_the_agent_of_the_same_node_is_asked(base: Resources) -> None:
    """By a Service that never leads to another node."""
    spec = base.one("Service", "otel-agent")["spec"]
    assert spec["internalTrafficPolicy"] == "Local"
    labels = base.one("DaemonSet", "otel-agent")["spec"]["template"]["metadata"]["labels"]
    assert labels.items() >= spec["selector"].items()


def test_every_lasting_pod_has_a_network_policy(base: Resources) -> None:
    """No pod is open to every other one by an omission."""
    policies = [each["spec"] for each in base.all if each["kind"] == "NetworkPolicy"]
    assert all(each["policyTypes"] == ["Ingress"] for each in policies)
    selected = {name for each in policies for name in names_of(each["podSelector"])}
    assert selected >= set(LASTING)


def names_of(selector: Manifest) -> list[str]:
    """Returns the names of applications that a selector takes."""
    by_label = selector.get("matchLabels", {}).get(NAME)
    return [by_label] if by_label else list(selector["matchExpressions"][0]["values"])


def pods_of(resources: Resources) -> dict[str, Manifest]:
    """Returns the pods that resources make, by the name in their own labels, which selectors ask for."""
    specs = [each.get("spec", {}) for each in resources.all]
    found = [spec.get("jobTemplate", {}).get("spec", spec).get("template") for spec in specs]
    return {each["metadata"]["labels"][NAME]: each["spec"] for each in found if each}


def ports_of(spec: Manifest) -> set[str]:
    """Returns the names of a pod's ports."""
    return {port["name"] for container in spec["containers"] for port in container.get("ports", [])}


def test_each_service_leads_to_a_port_that_its_pod_has_and_lets_in(base: Resources) -> None:
    """By the labels of the pod's template, and by the network policy for it."""
    pods = pods_of(base)
    policies = [each["spec"] for each in base.all if each["kind"] == "NetworkPolicy"]
    for spec in [each["spec"] for each in base.all if each["kind"] == "Service"]:
        name = spec["selector"][NAME]
        asked = {port["targetPort"] for port in spec["ports"]}
        assert asked <= ports_of(pods[name])
        [policy] = [each for each in policies if name in names_of(each["podSelector"])]
        assert {port["port"] for rule in policy["ingress"] for port in rule["ports"]} == asked
        senders = [each["podSelector"] for rule in policy["ingress"] for each in rule["from"]]
        assert {sender for each in senders if each for sender in names_of(each)} <= pods.keys()


def test_prometheus_reaches_each_program_that_alerts_tell_of(resources: Resources) -> None:
    """At a port of its own that is not the pod's loopback."""
    for name, spec in pods_of(resources).items():
        if name in ("otel-agent", "otel-telegraf", "otel-gateway"):
            [container] = spec["containers"]
            [port] = [each["containerPort"] for each in container["ports"] if each["name"] == "metrics"]
            set_to = variables(resources, container)
            listens = f"{set_to.get('COLLECTOR_METRICS_HOST')}:8888", set_to.get("TELEGRAF_METRICS_LISTEN")
            assert f"0.0.0.0:{port}" in listens


def test_what_serves_each_node_tolerates_each_taint(resources: Resources) -> None:
    """Jobs may run on any node."""
    kinds = [pod(each)["tolerations"] for each in resources.all if each["kind"] == "DaemonSet"]
    assert kinds
    assert all(each == [{"operator": "Exists"}] for each in kinds)


def test_jobs_and_ship_have_one_folder_and_one_user(base: Resources) -> None:
    """The node's folder, where each looks for it by its settings, and which its init container gives to that user."""
    seen: list[tuple[object, ...]] = []
    for kind, name in (("CronJob", "nightly"), ("DaemonSet", "otel-job-measure-ship")):
        spec = pod(base.one(kind, name))
        [container] = spec["containers"]
        [mount] = [each for each in container["volumeMounts"] if each["name"] == "state"]
        [volume] = [each for each in spec["volumes"] if each["name"] == "state"]
        security = spec["securityContext"] | container["securityContext"]
        assert mount["mountPath"] == str(Settings.from_env(variables(base, container)).state_path)
        seen.append(
            (volume["hostPath"]["path"], security["runAsUser"], security["runAsGroup"], security["runAsNonRoot"])
        )
    assert len(set(seen)) == 1
    path, user, group, _ = seen[0]
    [init] = pod(base.one("DaemonSet", "otel-job-measure-ship"))["initContainers"]
    assert init["command"][-5:] == ["-o", str(user), "-g", str(group), path]
    assert {mount["mountPath"] for mount in init["volumeMounts"]} == {path}


def containers(base: Resources) -> tuple[Manifest, Manifest]:
    """Returns the job's container and that of `ship`."""
    [job] = pod(base.one("CronJob", "nightly"))["containers"]
    [ship] = pod(base.one("DaemonSet", "otel-job-measure-ship"))["containers"]
    return job, ship


def test_what_jobs_write_is_what_ship_sends(base: Resources) -> None:
    """Both have the same destination, and the token in a file of the secret."""
    job, ship = containers(base)
    jobs, ships = Settings.from_env(variables(base, job)), Settings.from_env(variables(base, ship))
    assert jobs.destination_id == ships.destination_id != "any"
    for container, settings in ((job, jobs), (ship, ships)):
        [mount] = [each for each in container["volumeMounts"] if each["name"] == "token"]
        assert str(settings.influxdb_token_file) == f"{mount['mountPath']}/token"
    assert jobs.project == "billing"


def test_in_a_restricted_namespace_the_package_makes_the_folder(checker: Path) -> None:
    """Below the emptyDir, which every user can write and which the package therefore does not use."""
    restricted = made(checker, "restricted")
    spec = pod(restricted.one("CronJob", "nightly"))
    [job] = spec["containers"]
    [mount] = [each for each in job["volumeMounts"] if each["name"] == "state"]
    assert [each.keys() - {"name"} for each in spec["volumes"] if each["name"] == "state"] == [{"emptyDir"}]
    assert Settings.from_env(variables(restricted, job)).state_path.parent == Path(mount["mountPath"])


def test_the_job_has_time_to_stop(base: Resources) -> None:
    """Between SIGTERM and SIGKILL there is more than our own time, and a deadline there is."""
    manifest = base.one("CronJob", "nightly")
    [container] = pod(manifest)["containers"]  # another one beside the job would keep it from completing
    settings = Settings.from_env(variables(base, container))
    assert pod(manifest)["terminationGracePeriodSeconds"] > 2 * settings.shutdown_timeout_s
    assert manifest["spec"]["jobTemplate"]["spec"]["activeDeadlineSeconds"] > 0


def test_the_commands_are_ours(base: Resources, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`ship` and `exec` understand what the manifests give them."""
    job, ship = containers(base)
    assert (job["command"][0], ship["command"][:2]) == ("otel-job-measure", ["otel-job-measure", "ship"])
    [port] = ship["ports"]
    assert address(ship["command"][3]) == ("0.0.0.0", port["containerPort"])  # noqa: S104 - what the manifest says
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


@pytest.mark.parametrize(
    ("kind", "name", "required"),
    [
        (
            "DaemonSet",
            "otel-agent",
            ("TRACES_ENDPOINT", "INFLUXDB_URL", "INFLUXDB_TOKEN_FILE", "INFLUXDB_ORG", "INFLUXDB_BUCKET"),
        ),
        ("Deployment", "otel-gateway", ("TRACES_ENDPOINT",)),
        ("StatefulSet", "otel-telegraf", ("INFLUXDB_URL", "INFLUXDB_TOKEN", "INFLUXDB_ORG", "INFLUXDB_BUCKET")),
    ],
)
def test_a_program_gets_what_its_configuration_asks_for(
    base: Resources, kind: str, name: str, required: tuple[str, ...]
) -> None:
    """Each variable that the manifest sets is one of the configuration's, and it listens where the ports say."""
    [container] = pod(base.one(kind, name))["containers"]
    files = [Path(each).name for each in container["args"] if each.startswith("--config=")]
    assert all(f"--from-file={file} " in (FOLDER / "README.md").read_text().replace("\n", " ") for file in files)
    text = "".join((FOLDER.parent / file).read_text() for file in files)
    for each in container["env"]:
        assert re.search(rf"\$\{{(env:)?{each['name']}\b", text)
    shared: set[str] = set(base.one("ConfigMap", "otel-job-measure")["data"] if container.get("envFrom") else ())
    assert {each["name"] for each in container["env"]} | shared >= set(required)
    set_to = variables(base, container)
    ports = {each["name"]: each["containerPort"] for each in container["ports"]}
    asked = {"COLLECTOR_HEALTH_LISTEN": "health", "TELEGRAF_OTLP_LISTEN": "otlp-grpc"}
    assert all(set_to[one] == f"0.0.0.0:{ports[port]}" for one, port in asked.items() if one in set_to)
    limit = container["resources"]["limits"]["memory"]
    assert int(set_to.get("COLLECTOR_MEMORY_MIB", "0")) < int(limit.removesuffix("Mi"))


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
