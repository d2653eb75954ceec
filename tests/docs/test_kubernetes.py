"""The manifests of deploy/kubernetes: against the schemas of Kubernetes, each other and Folio."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from app.api.metrics import Metrics
from app.config import Settings
from app.domain import Status

FOLDER = Path(__file__).parents[2] / "deploy" / "kubernetes"
VERSION = "1.34"
# Not of Kubernetes itself: their definitions come with kubectl and with the Prometheus operator.
FOREIGN = {"Kustomization", "ServiceMonitor"}


def list_manifests() -> Iterator[tuple[str, Any]]:
    for path in sorted(FOLDER.glob("*.yaml")):
        for document in yaml.safe_load_all(path.read_text(encoding="utf-8")):
            yield (
                f"{path.name}:{document['kind']}:{document.get('metadata', {}).get('name')}",
                document,
            )


MANIFESTS = dict(list_manifests())
OWN = {name: one for name, one in MANIFESTS.items() if one["kind"] not in FOREIGN}
DEPLOYMENTS = {
    one["metadata"]["name"]: one["spec"] for one in OWN.values() if one["kind"] == "Deployment"
}


@pytest.mark.parametrize("name", OWN)
def test_manifest_is_what_kubernetes_takes(name: str) -> None:
    kubernetes_validate.validate(OWN[name], VERSION, strict=True)


def test_schemas_refuse_a_field_that_is_not_there() -> None:
    wrong = {**OWN["server.yaml:Service:folio"], "specs": {}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, VERSION, strict=True)


def test_kustomization_lists_every_other_file() -> None:
    kustomization = MANIFESTS["kustomization.yaml:Kustomization:None"]
    files = {path.name for path in FOLDER.glob("*.yaml")} - {"kustomization.yaml"}
    assert set(kustomization["resources"]) == files


def test_selectors_find_the_pods_they_are_for() -> None:
    pods = [spec["template"]["metadata"]["labels"] for spec in DEPLOYMENTS.values()]
    for spec in DEPLOYMENTS.values():
        assert spec["selector"]["matchLabels"] == spec["template"]["metadata"]["labels"]
    service = OWN["server.yaml:Service:folio"]["spec"]
    budget = OWN["server.yaml:PodDisruptionBudget:folio-server"]["spec"]
    monitor = MANIFESTS["monitoring.yaml:ServiceMonitor:folio"]["spec"]
    labels = OWN["server.yaml:Service:folio"]["metadata"]["labels"]
    assert pods.count(service["selector"]) == 1
    assert pods.count(budget["selector"]["matchLabels"]) == 1
    assert monitor["selector"]["matchLabels"] == labels
    assert [port["name"] for port in service["ports"]] == [monitor["endpoints"][0]["port"]]


def test_pods_are_set_by_settings_that_exist_and_secrets_that_are_made() -> None:
    (made,) = MANIFESTS["kustomization.yaml:Kustomization:None"]["secretGenerator"]
    keys = {file.partition("=")[0] for file in made["files"]}
    for spec in DEPLOYMENTS.values():
        (container,) = spec["template"]["spec"]["containers"]
        for variable in container["env"]:
            assert variable["name"].removeprefix("FOLIO_").lower() in Settings.model_fields
            if "valueFrom" in variable:
                wanted = variable["valueFrom"]["secretKeyRef"]
                assert wanted["name"] == made["name"]
                assert wanted["key"] in keys


def test_server_answers_until_no_request_is_sent_to_it_and_ends_in_time() -> None:
    pod = DEPLOYMENTS["folio-server"]["template"]["spec"]
    sleep, seconds = pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"]
    assert (sleep, int(seconds) >= 5) == ("sleep", True)
    # After what was in work, requests that waited for it have five seconds to be answered.
    assert int(seconds) + Settings().stop_seconds + 5 < pod["terminationGracePeriodSeconds"]


def test_autoscalers_scale_what_there_is_by_what_is_measured() -> None:
    scalers = [one["spec"] for one in OWN.values() if one["kind"] == "HorizontalPodAutoscaler"]
    assert {one["scaleTargetRef"]["name"] for one in scalers} == set(DEPLOYMENTS)
    (waiting,) = (m["external"] for one in scalers for m in one["metrics"] if "external" in m)
    text, _ = Metrics().render(dict.fromkeys(Status, 3))
    labels = waiting["metric"]["selector"]["matchLabels"]
    assert f'{waiting["metric"]["name"]}{{status="{labels["status"]}"}} 3.0' in text.decode()
