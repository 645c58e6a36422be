"""Comments and pull requests on Azure DevOps."""

import json

import httpx
import pytest

from delivery.errors import DeliveryError
from tests.unit.delivery.forge.azure_api import ANN, Azure, refused
from tests.unit.delivery.forge.conftest import Pipeline

MARKER = "<!-- converge:plan:dev -->\n<!-- run 50 -->\n"
RIGHTS = (
    "give the pipeline's identity, `<project> Build Service (<organization>)`, the right `{}` on the repository "
    "(Project settings, Repositories, Security), and hand over its token: `env: SYSTEM_ACCESSTOKEN: $(System.AccessToken)`"
)
Runs = tuple[Pipeline, Azure]


def test_the_comment_is_made_then_kept_up_to_date_then_left_as_it_is(on_azure: Runs):
    pipeline, azure = on_azure
    assert pipeline.comment("# Plan") == "the comment on pull request 7 is created"
    sent = json.loads(next(request for request in azure.requests if request.method == "POST").content)
    assert sent == {"comments": [{"parentCommentId": 0, "content": f"{MARKER}# Plan", "commentType": 1}]}
    assert pipeline.comment("# Plan 2") == "the comment on pull request 7 is updated"
    assert pipeline.comment("# Plan 2") == "the comment on pull request 7 is unchanged"
    assert azure.contents == [f"{MARKER}# Plan 2"]
    assert [request.method for request in azure.requests if request.method != "GET"] == ["POST", "PATCH"]


def test_what_somebody_else_wrote_and_what_is_gone_is_never_touched(on_azure: Runs):
    pipeline, azure = on_azure
    azure.add(f"{MARKER}forged", ANN)
    azure.add(f"{MARKER}gone", isDeleted=True)
    azure.threads[9] = {"id": 9, "comments": [], "isDeleted": False}
    pipeline.comment("mine")
    del azure.threads[9]
    assert azure.contents == [f"{MARKER}forged", f"{MARKER}gone", f"{MARKER}mine"]


def test_of_doubles_the_newest_runs_stays(on_azure: Runs):
    pipeline, azure = on_azure
    azure.add(f"{MARKER}a".replace("50", "49"))
    azure.add(f"{MARKER}b".replace("50", "48"))
    pipeline.comment("c")
    assert azure.contents == [f"{MARKER}c"]
    azure.threads[1]["comments"][0]["content"] = f"{MARKER}newer".replace("50", "51")
    assert pipeline.comment("d") == "the comment on pull request 7 is of a newer run, and stays"


def test_two_runs_at_once_end_with_one_comment(on_azure: Runs):
    pipeline, azure = on_azure

    def arrives(request: httpx.Request) -> None:
        if request.method == "POST":
            azure.add(f"{MARKER}theirs".replace("50", "49"))
            azure.before = lambda _request: None

    azure.before = arrives
    pipeline.comment("ours")
    assert azure.contents == [f"{MARKER}ours"]


def test_no_pull_request(on_azure: Runs):
    with pytest.raises(
        DeliveryError, match=r"^this pipeline runs for no pull request \(SYSTEM_PULLREQUEST_PULLREQUESTID is not set\); name one with --pull-request$"
    ):
        on_azure[0].comment("x", SYSTEM_PULLREQUEST_PULLREQUESTID="")
    assert on_azure[0].comment("x", pull_request=7, SYSTEM_PULLREQUEST_PULLREQUESTID="") == "the comment on pull request 7 is created"


def test_a_token_that_is_not_accepted_leads_to_a_page_to_log_in(on_azure: Runs):
    with pytest.raises(DeliveryError) as raised:
        on_azure[0].comment("x", SYSTEM_ACCESSTOKEN="another-secret")
    assert str(raised.value) == f"Azure DevOps does not accept the token (/_apis/connectionData); {RIGHTS.format('Contribute to pull requests')}"


@pytest.mark.parametrize(
    ("named", "right"), [("PullRequestContribute", "Contribute to pull requests"), ("CreateBranch", "Create branch"), ("GenericContribute", "Contribute")]
)
def test_a_missing_right_is_named(on_azure: Runs, named: str, right: str):
    pipeline, azure = on_azure
    said = f"TF401027: You need the Git '{named}' permission to perform this action. Details: identity 'Build\\guid', scope 'repository'."
    azure.before = lambda request: refused(403, said) if request.method == "POST" else None
    with pytest.raises(DeliveryError) as raised:
        pipeline.comment("x")
    assert str(raised.value).endswith(f"/pullRequests/7/threads: {said}; {RIGHTS.format(right)}")
    assert "secret-token" not in str(raised.value)


def test_patience(on_azure: Runs, pauses: list[float]):
    pipeline, azure = on_azure
    answers = [httpx.Response(429, headers={"retry-after": "3"}), httpx.Response(503), httpx.Response(500)]
    azure.before = lambda _request: answers.pop(0) if answers else None
    pipeline.comment("x")
    assert len(azure.contents) == 1
    assert pauses == [3.0, 2.0, 4.0]


def test_a_pull_request_is_opened_then_updated_with_a_description_that_fits(on_azure: Runs):
    pipeline, azure = on_azure
    url = pipeline.propose("Promote 13", "line\n" * 2000)
    assert url == "https://dev.azure.example/acme/My%20Project/_git/converge/pullrequest/1"
    (made,) = azure.pulls
    assert (made["title"], made["sourceRefName"], made["targetRefName"]) == ("Promote 13", "refs/heads/promote/prod", "refs/heads/main")
    assert made["description"].endswith("Too long for a comment; the rest is in the pipeline's run.\n")
    assert pipeline.propose("Promote 14", "other") == url
    assert [(one["title"], one["description"]) for one in azure.pulls] == [("Promote 14", "other")]


def test_a_pull_request_that_another_run_opens_meanwhile_is_updated(on_azure: Runs):
    pipeline, azure = on_azure

    def opens(request: httpx.Request) -> None:
        if request.method == "POST" and not azure.pulls:
            azure.pulls.append({"pullRequestId": 1, "sourceRefName": "refs/heads/promote/prod", "repository": {"name": "converge"}})

    azure.before = opens
    assert pipeline.propose().endswith("/pullrequest/1")
    assert azure.pulls[0]["title"] == "Promote"
