"""GitHub's rules, in the form in which its REST API documents them, and what is said of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from lakehouse.delivery.__main__ import main
from tests.infra.workflows.github_stand_in import TOKEN, GitHub, github_api

Settings = dict[str, Any]
LISTED = "?per_page=100"


def environment(name: str, *rules: Settings) -> Settings:
    return {
        "id": 161088068,
        "name": name,
        "html_url": f"https://github.com/shop/lakehouse/deployments/activity_log?{name}",
        "protection_rules": [*rules, {"id": 3756, "type": "branch_policy"}],
        "deployment_branch_policy": {"protected_branches": False, "custom_branch_policies": True},
    }


def policies(*refs: tuple[str, str]) -> Settings:
    return {
        "total_count": len(refs),
        "branch_policies": [{"id": 1, "name": name, "type": kind} for kind, name in refs],
    }


def right() -> Settings:
    """Everything as the runbook has it."""
    reviewed = {
        "id": 3755,
        "type": "required_reviewers",
        "prevent_self_review": False,
        "reviewers": [{"type": "User", "reviewer": {"login": "octocat", "id": 1}}],
    }
    made = [
        environment(f"{stage}{end}", *([reviewed] if stage != "dev" and not end else []))
        for stage in ("dev", "qa", "prod")
        for end in ("", "-plan")
    ]
    settings: Settings = {
        f"environments{LISTED}": {"total_count": len(made), "environments": made},
        f"rules/branches/main{LISTED}": [
            {"type": "deletion", "ruleset_id": 42},
            {
                "type": "pull_request",
                "ruleset_source_type": "Repository",
                "ruleset_id": 42,
                "parameters": {"required_approving_review_count": 1},
            },
        ],
        f"rulesets{LISTED}": [
            {"id": 42, "name": "main", "target": "branch", "enforcement": "active"},
            {"id": 43, "name": "releases", "target": "tag", "enforcement": "active"},
        ],
        "rulesets/43": {
            "id": 43,
            "target": "tag",
            "enforcement": "active",
            "conditions": {"ref_name": {"include": ["refs/tags/v*"], "exclude": []}},
            "rules": [{"type": "creation"}, {"type": "update"}, {"type": "deletion"}],
        },
    }
    for one in made:
        plan = one["name"].endswith("-plan")
        settings[f"environments/{one['name']}/deployment-branch-policies{LISTED}"] = policies(
            ("branch", "main"), ("branch", "refs/pull/*/merge") if plan else ("tag", "v*")
        )
    return settings


@pytest.fixture
def github(monkeypatch: pytest.MonkeyPatch) -> Iterator[GitHub]:
    with github_api() as api:
        monkeypatch.setenv("GITHUB_API_URL", api.url)
        monkeypatch.setenv("GITHUB_REPOSITORY", "shop/lakehouse")
        monkeypatch.setenv("GITHUB_TOKEN", TOKEN)
        api.settings = right()
        yield api


def named(settings: Settings, name: str) -> Settings:
    listing = settings[f"environments{LISTED}"]["environments"]
    found: Settings = next(one for one in listing if one["name"] == name)
    return found


def test_what_is_right_is_said_to_be(github: GitHub, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check-environments"]) == 0
    subjects = ["dev", "dev-plan", "qa", "qa-plan", "prod", "prod-plan", "branch main", "tags v*"]
    assert capsys.readouterr().out.splitlines() == [f"{subject}: right" for subject in subjects]


def every_branch(settings: Settings) -> None:
    named(settings, "prod-plan")["deployment_branch_policy"] = None


def protected_branches(settings: Settings) -> None:
    named(settings, "dev")["deployment_branch_policy"] = {
        "protected_branches": True,
        "custom_branch_policies": False,
    }


def one_branch_more(settings: Settings) -> None:
    listing = settings[f"environments/dev/deployment-branch-policies{LISTED}"]
    # Without its type, as GitHub's example has it.
    listing["branch_policies"].append({"id": 2, "name": "release/*"})
    listing["total_count"] += 1


def no_releases(settings: Settings) -> None:
    path = f"environments/dev/deployment-branch-policies{LISTED}"
    settings[path] = policies(("branch", "main"), ("branch", "v*"))


def nobody_approves(settings: Settings) -> None:
    named(settings, "prod")["protection_rules"] = [{"id": 1, "type": "branch_policy"}]


def no_such_environment(settings: Settings) -> None:
    listing = settings[f"environments{LISTED}"]
    listing["environments"].remove(named(settings, "qa-plan"))
    listing["total_count"] -= 1


def main_is_pushed_to(settings: Settings) -> None:
    settings[f"rules/branches/main{LISTED}"] = [{"type": "deletion", "ruleset_id": 42}]


def approvals_of_nobody(settings: Settings) -> None:
    rule = settings[f"rules/branches/main{LISTED}"][1]
    rule["parameters"]["required_approving_review_count"] = 0


def tags_are_free(settings: Settings) -> None:
    settings[f"rulesets{LISTED}"] = []


def tags_are_watched_only(settings: Settings) -> None:
    settings[f"rulesets{LISTED}"][1]["enforcement"] = "evaluate"


def some_tags_are_free(settings: Settings) -> None:
    settings["rulesets/43"]["conditions"]["ref_name"]["exclude"] = ["refs/tags/v0*"]


def tags_can_be_moved(settings: Settings) -> None:
    settings["rulesets/43"]["rules"] = [{"type": "creation"}]


@pytest.mark.parametrize(
    ("fault", "subject", "said"),
    [
        (every_branch, "prod-plan", "every branch and tag may use it"),
        (protected_branches, "dev", "every protected branch may use it"),
        (one_branch_more, "dev", "branch release/* may use it: remove it"),
        (no_releases, "dev", "branch v* may use it: remove it; tag v* may not use it: add it"),
        (nobody_approves, "prod", "nobody has to approve"),
        (no_such_environment, "qa-plan", "does not exist"),
        (main_is_pushed_to, "branch main", "requires a pull request"),
        (approvals_of_nobody, "branch main", "requires a pull request with an approval"),
        (tags_are_free, "tags v*", "restricts creations and updates"),
        (tags_are_watched_only, "tags v*", "restricts creations and updates"),
        (some_tags_are_free, "tags v*", "restricts creations and updates"),
        (tags_can_be_moved, "tags v*", "restricts creations and updates"),
    ],
)
def test_each_fault_is_named_alone(
    github: GitHub,
    capsys: pytest.CaptureFixture[str],
    fault: Callable[[Settings], None],
    subject: str,
    said: str,
) -> None:
    fault(github.settings)
    assert main(["check-environments"]) == 1
    wrong = [line for line in capsys.readouterr().out.splitlines() if not line.endswith(": right")]
    assert len(wrong) == 1
    assert wrong[0].startswith(f"{subject}: ") and said in wrong[0]


def test_one_environment_is_looked_at_alone(
    github: GitHub, capsys: pytest.CaptureFixture[str]
) -> None:
    every_branch(github.settings)
    assert main(["check-environments", "dev"]) == 0
    assert "prod" not in capsys.readouterr().out


def unknown_form(settings: Settings) -> None:
    del named(settings, "dev")["deployment_branch_policy"]


def more_than_a_page(settings: Settings) -> None:
    settings[f"environments/dev/deployment-branch-policies{LISTED}"]["total_count"] = 101


def not_there(settings: Settings) -> None:
    del settings["rulesets/43"]


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (unknown_form, "a form that this version does not know"),
        (more_than_a_page, "more than 100 entries"),
        (not_there, "GitHub answers 404"),
    ],
)
def test_what_cannot_be_read_proves_nothing(
    github: GitHub,
    capsys: pytest.CaptureFixture[str],
    fault: Callable[[Settings], None],
    said: str,
) -> None:
    fault(github.settings)
    assert main(["check-environments"]) == 1
    assert said in capsys.readouterr().err


def test_it_says_what_it_needs(
    github: GitHub, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GITHUB_TOKEN")
    assert main(["check-environments"]) == 1
    assert "GITHUB_TOKEN" in capsys.readouterr().err
