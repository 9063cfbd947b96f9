"""The files in deploy/kubernetes follow the schemas of Kubernetes and agree with the server."""

from __future__ import annotations

from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.deploy.test_files import IMAGE_VARIABLES, known_variables
from tests.harness import ROOT
from tiflis.config import Settings

FOLDER = ROOT / "deploy" / "kubernetes"
KUSTOMIZATION: dict[str, Any] = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
# Of the kustomization's documented fields those that we use; it is no resource and has no schema there.
FIELDS = {"apiVersion", "kind", "namespace", "resources", "images", "secretGenerator"}
VERSIONS = ["1.28", kubernetes_validate.latest_version()]


def resources() -> list[dict[str, Any]]:
    files = [FOLDER / name for name in KUSTOMIZATION["resources"] if name.endswith(".yaml")]
    return [document for file in files for document in yaml.safe_load_all(file.read_text())]


def named(kind: str, name: str) -> dict[str, Any]:
    (found,) = [one for one in resources() if (one["kind"], one["metadata"]["name"]) == (kind, name)]
    return found


@pytest.mark.parametrize("version", VERSIONS)
def test_every_resource_follows_the_schema(version: str) -> None:
    assert len(resources()) == 7
    for resource in resources():
        kubernetes_validate.validate(resource, version, strict=True)


def test_the_kustomization_names_what_is_there() -> None:
    assert set(KUSTOMIZATION) == FIELDS
    present = {path.name for path in FOLDER.glob("*.yaml")} - {"kustomization.yaml"}
    assert set(KUSTOMIZATION["resources"]) == present | {"../nats"}
    bus = yaml.safe_load((FOLDER / "../nats/kustomization.yaml").read_text())
    mounted = named("StatefulSet", "nats")["spec"]["template"]["spec"]["volumes"]
    assert [{"name": one["name"]} for one in bus["configMapGenerator"]] == [
        one["configMap"] for one in mounted
    ]
    images = {image["name"] for image in KUSTOMIZATION["images"]}
    assert named("Deployment", "tiflis")["spec"]["template"]["spec"]["containers"][0]["image"] in images


def test_the_server_gets_settings_that_it_knows_and_time_to_end() -> None:
    pod = named("Deployment", "tiflis")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert {variable["name"] for variable in container["env"]} <= known_variables() | IMAGE_VARIABLES
    assert pod["terminationGracePeriodSeconds"] > Settings.model_fields["shutdown_timeout"].default + 2
    probes = {container[f"{kind}Probe"]["httpGet"]["path"] for kind in ("startup", "readiness", "liveness")}
    assert probes == {"/healthz", "/readyz"}
    assert container["securityContext"]["readOnlyRootFilesystem"]
    (port,) = named("Service", "tiflis")["spec"]["ports"]
    assert port["targetPort"] in {one["name"] for one in container["ports"]}
