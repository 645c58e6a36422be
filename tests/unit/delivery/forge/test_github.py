"""Comments and pull requests on GitHub."""

import json
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from delivery.errors import DeliveryError
from delivery.forge.body import run_of
from tests.unit.delivery.forge.conftest import Pipeline
from tests.unit.delivery.forge.github_api import ANN, GitHub, pull, refused

MARKER = "<!-- converge:plan:dev -->\n<!-- run 50 -->\n"
RIGHT = "the token needs `pull-requests: write` on this repository (in a workflow: `permissions: pull-requests: write`)"
Runs = tuple[Pipeline, GitHub]


def event(folder: Path, content: dict[str, Any]) -> str:
    path = folder / "event.json"
    path.write_text(json.dumps(content))
    return str(path)


def finished_run(sha: str = "a" * 40, repository: str = "ann/converge", branch: str = "change", number: int = 40) -> dict[str, Any]:
    """A `workflow_run` event after a pull request from a fork: it names no pull request."""
    owner = {"login": repository.partition("/")[0]}
    head = {"full_name": repository, "owner": owner}
    return {"workflow_run": {"id": number, "head_sha": sha, "head_branch": branch, "head_repository": head, "pull_requests": []}}


def test_the_comment_is_made_then_kept_up_to_date_then_left_as_it_is(on_github: Runs):
    pipeline, github = on_github
    assert pipeline.comment("# Plan") == "the comment on pull request 7 is created"
    assert [body.replace("\r\n", "\n") for body in github.bodies] == [f"{MARKER}# Plan"]
    assert pipeline.comment("# Plan 2") == "the comment on pull request 7 is updated"
    assert github.bodies == [f"{MARKER}# Plan 2"]
    assert pipeline.comment("# Plan 2") == "the comment on pull request 7 is unchanged"
    assert github.methods() == ["POST", "PATCH"]
    headers = github.requests[0].headers
    assert (headers["accept"], headers["x-github-api-version"]) == ("application/vnd.github+json", "2022-11-28")


def test_each_key_has_its_comment_and_every_page_is_read(on_github: Runs):
    pipeline, github = on_github
    for number in range(5):
        github.add(f"talk {number}", ANN)
    pipeline.comment("dev")
    pipeline.comment("prod", key="plan-prod")
    pipeline.comment("dev 2")
    assert len(github.bodies) == 7
    assert [body for body in github.bodies if "converge" in body] == [f"{MARKER}dev 2", "<!-- converge:plan:prod -->\r\n<!-- run 50 -->\r\nprod"]


@pytest.mark.parametrize("person", [None, {"login": "deployer", "type": "User"}])
def test_what_somebody_else_wrote_is_never_touched(on_github: Runs, person: dict[str, str] | None):
    pipeline, github = on_github
    github.person = person
    github.add(f"{MARKER}forged", ANN)
    github.add("quoting <!-- converge:plan:dev -->", person or {"login": "other[bot]", "type": "Bot"})
    pipeline.comment("mine")
    pipeline.comment("mine 2")
    assert github.bodies == [f"{MARKER}forged", "quoting <!-- converge:plan:dev -->", f"{MARKER}mine 2"]


def test_of_doubles_the_newest_runs_stays(on_github: Runs):
    pipeline, github = on_github
    old, new = f"{MARKER}a".replace("50", "48"), f"{MARKER}b".replace("50", "49")
    github.add(new)
    github.add(old)
    assert pipeline.comment("c") == "the comment on pull request 7 is updated"
    assert github.bodies == [f"{MARKER}c"]


def test_an_older_run_leaves_the_newer_ones_comment_alone(on_github: Runs):
    pipeline, github = on_github
    github.add(f"{MARKER}new".replace("50", "51"))
    assert pipeline.comment("old") == "the comment on pull request 7 is of a newer run, and stays"
    assert github.methods() == []


@pytest.mark.parametrize("other", [49, 51])
def test_two_runs_at_once_end_with_one_comment_of_the_newer(on_github: Runs, other: int):
    """The other one's arrives between our looking and our writing."""
    pipeline, github = on_github
    theirs = f"{MARKER}theirs".replace("50", str(other))

    def arrives(request: httpx.Request) -> None:
        if request.method == "POST":
            github.add(theirs)
            github.before = lambda _request: None

    github.before = arrives
    pipeline.comment("ours")
    (left,) = github.bodies
    assert run_of(left) == max(50, other)


def test_an_answer_that_was_lost_makes_no_second_comment(on_github: Runs, pauses: list[float]):
    pipeline, github = on_github

    def lost(request: httpx.Request) -> httpx.Response | None:
        if request.method == "POST" and not github.comments:
            github.add(json.loads(request.content)["body"])
            raise httpx.ReadTimeout("no answer")
        return None

    github.before = lost
    pipeline.comment("once")
    assert github.bodies == [f"{MARKER}once".replace("\n", "\r\n")] or github.bodies == [f"{MARKER}once"]
    assert pauses == [1.0]


def test_a_comment_that_is_deleted_meanwhile_is_made_again(on_github: Runs):
    pipeline, github = on_github
    github.add(f"{MARKER}old")

    def deleted(request: httpx.Request) -> None:
        if request.method == "PATCH":
            github.comments.clear()

    github.before = deleted
    pipeline.comment("new")
    assert [body.replace("\r\n", "\n") for body in github.bodies] == [f"{MARKER}new"]


def test_a_pull_request_of_a_fork_is_found_by_commit_branch_and_repository(on_github: Runs, tmp_path: Path):
    pipeline, github = on_github
    github.pulls = [
        pull(5, repository="ann/converge", sha="b" * 40),
        pull(6, repository="ann/other"),
        pull(7, repository="ann/converge"),
        pull(8, repository="ann/converge", state="closed"),
    ]
    pipeline.comment("fork", GITHUB_EVENT_PATH=event(tmp_path, finished_run()), GITHUB_REF="refs/heads/main")
    warning = "> Written by the code of `ann/converge`, a fork: it may say anything, so what counts is the change itself."
    assert [body.replace("\r\n", "\n") for body in github.bodies] == [f"<!-- converge:plan:dev -->\n<!-- run 40 -->\n{warning}\n\nfork"]
    asked = next(request for request in github.requests if request.url.path.endswith("/pulls"))
    assert dict(asked.url.params) == {"state": "open", "head": "ann:change", "per_page": "100"}


def test_a_branch_of_the_repository_itself_is_no_fork(on_github: Runs, tmp_path: Path):
    pipeline, github = on_github
    github.pulls = [pull(7)]
    pipeline.comment("own", GITHUB_EVENT_PATH=event(tmp_path, finished_run(repository="acme/converge")))
    assert github.bodies == ["<!-- converge:plan:dev -->\r\n<!-- run 40 -->\r\nown"]


def test_a_fork_that_has_moved_on_gets_no_comment(on_github: Runs, tmp_path: Path):
    pipeline, github = on_github
    github.pulls = [pull(7, repository="ann/converge", sha="b" * 40)]
    with pytest.raises(DeliveryError) as raised:
        pipeline.comment("fork", GITHUB_EVENT_PATH=event(tmp_path, finished_run()))
    assert str(raised.value) == (
        "no open pull request of acme/converge is at aaaaaaa of ann/converge, branch change: it was closed, or has a newer commit by now"
    )
    assert github.methods() == []


@pytest.mark.parametrize("way", ["event", "ref", "option"])
def test_ways_to_the_number(on_github: Runs, tmp_path: Path, way: str):
    pipeline, github = on_github
    given = {
        "event": {"GITHUB_EVENT_PATH": event(tmp_path, {"pull_request": {"number": 7}}), "GITHUB_REF": "refs/heads/main"},
        "ref": {},
        "option": {"GITHUB_REF": "refs/heads/main"},
    }[way]
    pipeline.comment("x", pull_request=7 if way == "option" else None, **given)
    assert len(github.bodies) == 1


def test_no_pull_request(on_github: Runs):
    with pytest.raises(DeliveryError, match=r"^this workflow runs for no pull request; name one with --pull-request$"):
        on_github[0].comment("x", GITHUB_REF="refs/heads/main")


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (
            refused(403, "Resource not accessible by integration"),
            f"GitHub refuses GET /repos/acme/converge/issues/7/comments: Resource not accessible by integration; {RIGHT}",
        ),
        (
            refused(404, "Not Found"),
            f"GitHub has no /repos/acme/converge/issues/7/comments, or the token may not know of it; {RIGHT}",
        ),
        (
            refused(401, "Bad credentials"),
            f"GitHub does not accept the token (/repos/acme/converge/issues/7/comments); {RIGHT}",
        ),
        (refused(422, "Validation Failed"), "GitHub answers GET /repos/acme/converge/issues/7/comments with HTTP 422: Validation Failed"),
    ],
)
def test_a_refusal_says_what_is_missing_and_nothing_secret(on_github: Runs, answer: httpx.Response, message: str):
    pipeline, github = on_github
    github.before = lambda _request: answer
    with pytest.raises(DeliveryError) as raised:
        pipeline.comment("x")
    assert str(raised.value) == message
    assert "secret-token" not in str(raised.value)


def test_patience_with_limits_and_failures(on_github: Runs, pauses: list[float]):
    pipeline, github = on_github
    reset = str(int(time.time()) + 20)
    answers = [
        refused(403, "You have exceeded a secondary rate limit", retry_after="7"),
        refused(429, "API rate limit exceeded", x_ratelimit_remaining="0", x_ratelimit_reset=reset),
        refused(502, "Server Error"),
    ]
    github.before = lambda _request: answers.pop(0) if answers else None
    pipeline.comment("x")
    assert len(github.bodies) == 1
    assert pauses[0] == 7
    assert 15 < pauses[1] <= 20
    assert pauses[2:] == [4.0]


def test_patience_has_an_end(on_github: Runs, pauses: list[float]):
    pipeline, github = on_github
    github.before = lambda _request: refused(503, "Service Unavailable")
    with pytest.raises(DeliveryError, match=r"^GitHub did not answer GET /repos/acme/converge/issues/7/comments after 6 attempts: HTTP 503$"):
        pipeline.comment("x")
    assert pauses == [1.0, 2.0, 4.0, 8.0, 16.0]
    github.before = lambda _request: refused(429, "limit", retry_after="3000")
    with pytest.raises(DeliveryError, match="asks to wait 3000 s before the next request, more than the 60 s that are waited for"):
        pipeline.comment("x")


def test_a_next_page_elsewhere_gets_no_token(on_github: Runs):
    pipeline, github = on_github
    elsewhere = httpx.Response(200, json=[], headers={"link": '<https://evil.example/steal>; rel="next"'})
    github.before = lambda request: elsewhere if request.url.path.endswith("/comments") and request.method == "GET" else None
    with pytest.raises(DeliveryError, match=r"^GitHub at https://api\.github\.example leads to https://evil\.example/steal, which gets no token$"):
        pipeline.comment("x")
    assert {request.url.host for request in github.requests} == {"api.github.example"}


def test_a_pull_request_is_opened_then_updated(on_github: Runs):
    pipeline, github = on_github
    url = pipeline.propose("Promote 13", "why")
    assert url == "https://github.example/acme/converge/pull/1"
    (made,) = github.pulls
    assert (made["title"], made["body"], made["head"]["ref"], made["base"]["ref"]) == ("Promote 13", "why", "promote/prod", "main")
    assert pipeline.propose("Promote 14", "other") == url
    assert [(one["title"], one["body"]) for one in github.pulls] == [("Promote 14", "other")]


def test_a_pull_request_that_another_run_opens_meanwhile_is_updated(on_github: Runs):
    pipeline, github = on_github

    def opens(request: httpx.Request) -> None:
        if request.method == "POST" and not github.pulls:
            github.pulls.append(pull(3, ref="promote/prod"))

    github.before = opens
    assert pipeline.propose().endswith("/pull/3")
    assert github.pulls[0]["title"] == "Promote"


def test_who_may_not_open_pull_requests_is_told_the_setting(on_github: Runs):
    pipeline, github = on_github
    answer = refused(403, "GitHub Actions is not permitted to create or approve pull requests.")
    github.before = lambda request: answer if request.method == "POST" else None
    with pytest.raises(DeliveryError, match="Actions, General, `Allow GitHub Actions to create and approve pull requests`"):
        pipeline.propose()
