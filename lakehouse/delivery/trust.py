"""Who can become a role of an environment, as far as GitHub decides it: its rules, looked at.

A workflow in any pushed branch may name any environment. The environment's own rule refuses its
job there, as AWS does by the token's `ref`; both are worth what the rules of `main` and of the
releases' tags are worth.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lakehouse.delivery.environment import DeliveryError, Finding

MAIN = ("branch", "main")
# What may run in an environment, by the end of its name; the roles' trust says the same.
DEPLOYS_FROM = {
    "": {MAIN, ("tag", "v*")},
    "-plan": {MAIN, ("branch", "refs/pull/*/merge")},
}
APPROVED = ("qa", "prod")
# Creating a release's tag, and moving it, are what starts a deployment.
KEPT_FROM_TAGS = {"creation", "update"}
MOST = 100


def check(variables: Mapping[str, str], stages: Sequence[str]) -> list[Finding]:
    """A finding for each environment of `stages`, for main and for the releases' tags.

    Raises:
        DeliveryError: GitHub does not answer, refuses, or answers in another form than documented.
    """
    try:
        return list(_findings(_Api.of(variables), stages))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise DeliveryError(
            f"GitHub answers in a form that this version does not know ({error!r}): nothing is "
            "proved; compare Settings → Environments and Rules with docs/runbooks/deployment.md"
        ) from error


@dataclass(frozen=True)
class _Api:
    """GitHub's REST API for one repository."""

    root: str
    token: str

    @classmethod
    def of(cls, variables: Mapping[str, str]) -> _Api:
        missing = [
            name for name in ("GITHUB_REPOSITORY", "GITHUB_TOKEN") if not variables.get(name)
        ]
        if missing:
            raise DeliveryError(
                f"set {' and '.join(missing)}: owner/name of the repository, and a token that may "
                "read its administration (`gh auth token`)"
            )
        api = variables.get("GITHUB_API_URL", "https://api.github.com")
        return cls(f"{api}/repos/{variables['GITHUB_REPOSITORY']}", variables["GITHUB_TOKEN"])

    def get(self, path: str) -> Any:
        return json.loads(get(f"{self.root}/{path}", self.token))

    def everything(self, path: str, field: str) -> list[dict[str, Any]]:
        """All elements of a listing that says how many there are."""
        listing = self.get(f"{path}?per_page={MOST}")
        found: list[dict[str, Any]] = listing[field]
        if len(found) != listing["total_count"]:
            raise DeliveryError(f"{path} has more than {MOST} entries: remove what nobody uses")
        return found


def _findings(api: _Api, stages: Sequence[str]) -> Iterator[Finding]:
    environments = {one["name"]: one for one in api.everything("environments", "environments")}
    for stage in stages:
        for end, allowed in DEPLOYS_FROM.items():
            name = f"{stage}{end}"
            if name not in environments:
                yield Finding(
                    name,
                    "does not exist, and the first workflow that names it makes it without rules: "
                    f"make it, for {_names(allowed)}",
                )
                continue
            wrong = [_refs(api, environments[name], allowed)]
            if name in APPROVED:
                wrong.append(_approval(environments[name]))
            yield Finding(name, "; ".join(filter(None, wrong)))
    yield Finding("branch main", _main(api))
    yield Finding("tags v*", _tags(api))


def _refs(api: _Api, environment: dict[str, Any], allowed: set[tuple[str, str]]) -> str:
    policy = environment["deployment_branch_policy"]
    if policy is None or not policy["custom_branch_policies"]:
        who = "every branch and tag" if policy is None else "every protected branch"
        return (
            f"{who} may use it: under Deployment branches and tags choose Selected branches and "
            f"tags, with {_names(allowed)}"
        )
    listed = api.everything(
        f"environments/{environment['name']}/deployment-branch-policies", "branch_policies"
    )
    # GitHub leaves the type away where it is a branch.
    found = {(one.get("type", "branch"), one["name"]) for one in listed}
    wrong = []
    if found - allowed:
        wrong.append(f"{_names(found - allowed)} may use it: remove it")
    if allowed - found:
        wrong.append(f"{_names(allowed - found)} may not use it: add it")
    return "; ".join(wrong)


def _approval(environment: dict[str, Any]) -> str:
    reviewed = [rule for rule in environment["protection_rules"] if rule.get("reviewers")]
    return "" if reviewed else "nobody has to approve: add required reviewers"


def _main(api: _Api) -> str:
    rules = api.get(f"rules/branches/main?per_page={MOST}")
    if any(
        rule["parameters"]["required_approving_review_count"] > 0
        for rule in rules
        if rule["type"] == "pull_request"
    ):
        return ""
    return (
        "who may push it applies to dev, alone: make a ruleset for the default branch that "
        "requires a pull request with an approval"
    )


def _tags(api: _Api) -> str:
    kept: set[str] = set()
    for listed in api.get(f"rulesets?per_page={MOST}"):
        if (listed["target"], listed["enforcement"]) != ("tag", "active"):
            continue
        ruleset = api.get(f"rulesets/{listed['id']}")
        names = ruleset["conditions"]["ref_name"]
        if not names["exclude"] and {"~ALL", "refs/tags/v*"} & set(names["include"]):
            kept |= {rule["type"] for rule in ruleset["rules"]}
    if kept >= KEPT_FROM_TAGS:
        return ""
    return (
        "who may push any branch may tag it, and deploys to dev: make an active tag ruleset for "
        "v* that restricts creations and updates to those who may release"
    )


def _names(refs: set[tuple[str, str]]) -> str:
    return " and ".join(f"{kind} {name}" for kind, name in sorted(refs))


def get(url: str, token: str) -> bytes:
    """What is at an address of GitHub's API.

    Raises:
        DeliveryError: GitHub does not answer, or refuses.
    """
    if not url.startswith(("https://", "http://127.0.0.1:")):
        raise DeliveryError(f"{url} is not an address of GitHub's API: check GITHUB_API_URL")
    request = urllib.request.Request(  # noqa: S310  https, checked above
        url,
        headers={"Authorization": f"Bearer {token}", "Accept": "application/vnd.github+json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
            body: bytes = answer.read()
            return body
    except urllib.error.HTTPError as error:
        raise DeliveryError(
            f"GitHub answers {error.code} to {url}: the token may not read it, or it is not there"
        ) from error
    except urllib.error.URLError as error:
        raise DeliveryError(f"no answer from {url}: {error.reason}; run the job again") from error
