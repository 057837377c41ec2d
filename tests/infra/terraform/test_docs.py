"""What the documents promise about the infrastructure is what the configuration does."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import yaml

from ingestion.declarations import load
from lakehouse.kafka.topics import desired_topics
from tests.infra.terraform import costs, harness
from tests.infra.terraform.conftest import Environment, missing, tool
from tests.infra.terraform.harness import planned

DOCS = harness.PROJECT / "docs"
LINK = re.compile(
    r"https://github\.com/[\w.-]+/[\w.-]+/blob/main/docs/runbooks/operations\.md#([\w-]+)"
)
CHECKOV_CONFIG = harness.SOURCE / ".checkov.yaml"
# Kinds of checks that may not be skipped, by words of their titles.
NEVER_SKIPPED = re.compile(r"encrypt|public|policy|iam|privilege|logging|logs|ssl|tls|kms", re.I)


def sections(document: str) -> dict[str, str]:
    """Headings of level two and their texts."""
    text = (DOCS / document).read_text(encoding="utf-8")
    parts = re.split(r"^## (.+)$", text, flags=re.M)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_every_alarm_links_its_section(environments: dict[str, Environment]) -> None:
    alarms = [
        resource["values"]
        for name in ("dev", "prod")
        for resource in planned(environments[name].plan)
        if resource["type"] == "aws_cloudwatch_metric_alarm"
    ]
    linked = {
        match[1]: alarm["alarm_name"]
        for alarm in alarms
        if alarm.get("alarm_description")
        if (match := LINK.search(alarm["alarm_description"]))
    }
    assert len(alarms) >= 15
    assert all(LINK.search(alarm["alarm_description"]) for alarm in alarms)
    headings = set(re.findall(r"^### (.+)$", sections("runbooks/operations.md")["Alarms"], re.M))
    assert set(linked) <= headings
    assert headings - set(linked) == {"budget"}, "a section that no alarm links"


def test_every_metric_of_our_own_is_put_by_somebody_and_explained(
    environments: dict[str, Environment],
) -> None:
    watched = {
        resource["values"]["metric_name"]
        for resource in planned(environments["prod"].plan)
        if resource["type"] == "aws_cloudwatch_metric_alarm"
        and resource["values"]["namespace"] == "RetailLakehouse"
    }
    explained = re.findall(r"^\| `(\w+)` \|", sections("runbooks/operations.md")["Alarms"], re.M)
    assert watched == set(explained)
    sources = [
        path
        for room in ("ingestion", "lakehouse")
        for path in (harness.PROJECT / room).rglob("*.py")
    ]
    code = "".join(path.read_text(encoding="utf-8") for path in sources)
    assert [
        name for name in watched if f'"{name}": ' not in code and f'"{name}"]' not in code
    ] == []


def test_skipped_checks_are_few_and_explained() -> None:
    skipped = yaml.safe_load(CHECKOV_CONFIG.read_text())["skip-check"]
    table = sections("security.md")["Checks that are skipped"]
    explained = re.findall(r"^\| `(CKV2?_AWS_\d+)` \| (.+?) \| (.+?) \|$", table, re.M)
    assert sorted(check for check, _, _ in explained) == sorted(skipped)
    assert len(skipped) <= 10
    for check, title, reason in explained:
        assert not NEVER_SKIPPED.search(title), f"{check} is of a kind that is never skipped"
        assert len(reason) > 30


def test_checkov_finds_nothing() -> None:
    done = subprocess.run(
        [
            tool("checkov"),
            "--directory",
            harness.SOURCE,
            "--config-file",
            CHECKOV_CONFIG,
            # Without a value the check of GitHub's subject sees a variable, not a repository.
            "--var-file",
            harness.SOURCE / "environments" / "dev.tfvars",
            "--output",
            "json",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    report = json.loads(done.stdout)
    failed = [
        f"{check['check_id']} {check['resource']}" for check in report["results"]["failed_checks"]
    ]
    assert failed == []
    assert report["summary"]["passed"] > 150
    assert report["summary"]["skipped"] == 0, "no skip beside the table"
    assert report["summary"]["parsing_errors"] == 0


def test_tflint_finds_nothing_but_what_is_planted(tmp_path: Path) -> None:
    path = harness.PROJECT / ".venv" / "bin" / "tflint"
    if not path.exists():
        missing("tflint is not installed: make -f infra/infra.mk tools")
    words = [
        str(path),
        f"--config={harness.SOURCE / '.tflint.hcl'}",
        "--format=compact",
        "--recursive",
    ]
    done = subprocess.run(words, cwd=harness.SOURCE, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "")
    (tmp_path / "main.tf").write_text('variable "unused" {}\n')
    planted = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert planted.returncode != 0
    for rule in ("unused_declarations", "documented_variables", "required_version"):
        assert f"terraform_{rule}" in planted.stdout


def test_the_cost_note_is_what_the_plans_cost(environments: dict[str, Environment]) -> None:
    text = (DOCS / "cost.md").read_text(encoding="utf-8")
    plans = {name: environment.plan for name, environment in environments.items()}
    assert costs.table(plans, costs.prices(text)) in text
    partitions = sum(topic.partitions for topic in desired_topics(load(), "sqlserver"))
    assert costs.choices(plans["prod"], costs.prices(text), partitions) in text


def test_the_budget_is_above_the_computed_cost(environments: dict[str, Environment]) -> None:
    text = (DOCS / "cost.md").read_text(encoding="utf-8")
    for name, environment in environments.items():
        total = sum(costs.monthly(environment.plan, costs.prices(text)).values())
        [budget] = [
            resource["values"]["limit_amount"]
            for resource in planned(environment.plan)
            if resource["type"] == "aws_budgets_budget"
        ]
        assert total < float(budget) < 3 * total, f"{name} costs about {total:.0f} USD"
