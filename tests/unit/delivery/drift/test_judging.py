"""The report: people's first, what to do, and nothing secret."""

import json
from datetime import UTC, datetime

from delivery.drift import markdown, words
from delivery.drift.activity import Activity
from delivery.drift.judging import judged
from tests.unit.delivery.drift.stacks import cluster, report, resources, step

ACCOUNT = "azure-native:storage/v20240101:StorageAccount"
SECRET = "[secret]"


def test_components_and_providers_are_no_resources():
    component = {**step("converge:index:Part", "x", {}, None)}
    component["oldState"]["custom"] = False
    assert resources(component, step("pulumi:providers:kubernetes", "p", {}, None)) == []


def test_a_type_has_no_version_and_a_resource_its_component():
    (one,) = resources(step(ACCOUNT, "a", {}, parent="urn:pulumi:dev::converge::converge:index:ModelStorage::models"))
    assert (one.kind, one.component, one.modified) == ("azure-native:storage:StorageAccount", "models", datetime(2026, 11, 24, 10, tzinfo=UTC))
    (top,) = resources(step(ACCOUNT, "a", {}, parent="urn:pulumi:dev::converge::pulumi:pulumi:Stack::converge-dev"))
    assert top.component == ""


def test_what_is_gone_is_peoples():
    found = report(step(ACCOUNT, "a", {"x": 1}, None), cluster(pool={"count": 2}))
    (gone,) = found.people
    assert gone.gone
    assert gone.values == ()
    assert gone.advice == "`pulumi up --refresh --stack dev` makes it anew, without what was in it; or take it out of Pulumi.dev.yaml"
    assert [resource.name for resource in found.azure] == ["c"]
    assert words.title(found) == "dev: people changed 1 resource since the last deployment"


def test_the_advice_follows_from_what_a_deployment_would_do():
    declared = report(step(ACCOUNT, "a", {"tls": "1.2"}, {"tls": "1.0"})).people[0]
    assert declared.advice == "`pulumi up --refresh --stack dev` puts it back; or write it into Pulumi.dev.yaml if it is to stay"
    added = {"tls": "1.2", "tags": {"owner": "me"}}
    foreign = report(step(ACCOUNT, "a", {"tls": "1.2"}, added)).people[0]
    assert foreign.advice.startswith("the program does not set it, so a deployment leaves it")
    # The engine would take it for an input of the program, and then away again.
    assert report(step(ACCOUNT, "a", {"tls": "1.2"}, added, inputs_now=added)).people[0].advice == declared.advice
    both = report(step(ACCOUNT, "a", {"tls": "1.2"}, {**added, "tls": "1.0"})).people[0]
    assert both.advice.startswith("`pulumi up --refresh --stack dev` puts back what the program sets; undo the rest (marked +)")
    assert [line[0] for line in words.values_of(both)] == ["+", " "]


def test_secrets_are_never_told():
    """Neither those that the engine hides, nor a Kubernetes Secret's content that nobody marked."""
    hidden = step(ACCOUNT, "a", {"key": SECRET}, {"key": SECRET}, detailedDiff={"key": {"kind": "update"}})
    marked = step(ACCOUNT, "b", {"deep": SECRET}, {"deep": {"key": "hunter2"}})
    plain = step("kubernetes:core/v1:Secret", "s", {"data": {"a": "aGk="}}, {"data": {"a": "aHVudGVyMg==", "new": "hunter2"}})
    found = report(hidden, marked, plain)
    text = json.dumps(found.model_dump()) + markdown.render(found)
    assert "hunter2" not in text
    assert "aHVudGVyMg" not in text
    assert "aGk=" not in text
    assert [[value.path for value in resource.values] for resource in found.people] == [["key"], ["deep"], ["data.a", "data.new"]]
    assert next(words.values_of(found.people[0])) == "  key: another secret value"


def test_who_it_was_is_told_where_it_is_known():
    known = judged("dev", resources(step(ACCOUNT, "a", {"x": 1}, {"x": 2})), lambda _one: Activity("anna@example.com", "2026-11-24T09:30:00Z"))
    assert words.heading(known.people[0]) == "storage:StorageAccount a (anna@example.com, 2026-11-24 09:30 UTC)"


def test_hostile_texts_stay_one_line_of_code():
    found = report(step(ACCOUNT, "a", {"tags": {}}, {"tags": {"x": "a|b `code`\n# title <script>\x1b[31m" + "y" * 500}}))
    text = markdown.render(found)
    (row,) = [line for line in text.splitlines() if "tags.x" in line]
    assert "`` a\\|b `code` # title <script> [31m" in row
    assert row.count(" | ") == 3
    assert "\x1b" not in text
    assert len(row) < 300


def test_azures_own_is_short():
    found = report(cluster(kubernetesVersion="1.34.2", currentKubernetesVersion="1.34.2", pool={"count": 3}))
    assert words.title(found) == "dev: as the last deployment left it, but for what Azure changes by itself"
    assert list(words.azures_own(found)) == [
        ("c", "agentPoolProfiles[0].count: 1 -> 3", "the cluster autoscaler adds and removes nodes"),
        ("c", "currentKubernetesVersion: (nothing) -> 1.34.2, and 1 more", "the cluster's upgrade channel brings newer versions"),
    ]


def test_many_values_are_cut_short_for_people_only():
    found = report(step(ACCOUNT, "a", {}, {"many": {f"n{number:02}": 1 for number in range(20)}}))
    assert len(found.people[0].values) == 20
    assert list(words.values_of(found.people[0]))[-1] == "  and 8 more; --json has all"
