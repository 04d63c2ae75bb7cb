"""The manifests for Kubernetes, judged offline by Checkov, a linter of policies that others keep."""

import json
import subprocess
from collections import Counter
from pathlib import Path
from typing import Final

import pytest

from tests.collector.conftest import ENVIRONMENT
from tests.collector.test_kubernetes import FOLDER
from tests.support.collectors import built

# Why each policy of Checkov that the manifests do not follow is left out.
EVERYWHERE: Final = {
    "CKV_K8S_11": "no limit of CPU: it would slow programs down beside an idle CPU; all have requests",
    "CKV_K8S_15": "images have versions, so a node needs to pull each of them once",
    "CKV_K8S_21": "the namespace is chosen with the command that applies them",
    "CKV_K8S_43": "the digests of images in your own registry are yours",
}
IN_THE_BASE: Final = {"CKV_K8S_25": "an init container makes a folder of the node and gives it to the user of jobs"}


@pytest.mark.timeout(300)  # the linter alone takes a minute on a busy machine
@pytest.mark.parametrize(("folder", "left_out"), [("base", EVERYWHERE | IN_THE_BASE), ("restricted", EVERYWHERE)])
def test_only_what_is_explained_is_against_a_policy(folder: str, left_out: dict[str, str], tmp_path: Path) -> None:
    """All other policies are followed by all resources; the linter finds each that is left out, and asks no server."""
    file = tmp_path / "manifests.yaml"
    checker = built("manifests", ENVIRONMENT)
    made = subprocess.run([checker, FOLDER / folder, "restricted"], capture_output=True, text=True, check=False)
    file.write_text(made.stdout)
    command = [
        str(built("checkov", ENVIRONMENT)),
        "-f",
        str(file),
        "--framework",
        "kubernetes",
        "--skip-download",
        "-o",
        "json",
    ]
    nowhere = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), "http://127.0.0.1:1")
    environment = {"PATH": ENVIRONMENT["PATH"], "HOME": str(tmp_path), **nowhere}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout, done.stderr
    found = json.loads(done.stdout)
    assert found["summary"]["parsing_errors"] == 0
    assert len(found["results"]["passed_checks"]) > 100
    against = Counter((each["check_id"], each["check_name"]) for each in found["results"]["failed_checks"])
    assert {check_id for check_id, _ in against} == set(left_out), against
