"""Nothing in the documentation points to a place that is not there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path, PurePosixPath

import pytest

from tests.kit.command_lines import lines
from tests.unit.project.files import ROOT, project_files
from tests.unit.project.typed import terraform_names, wrong

# What pages name that is no file of the repository, and where it is.
ELSEWHERE = {
    "made on this machine": ".venv .jars data build target *.s3.tfbackend terraform.tfstate.d"
    " login.json salt.json */errored.tfstate",
    "in the landing zone": "_landing.json _ledger _writers landing checkpoints env",
    "in the artifacts bucket": "glue/<release> state/deployed.json",
    "in AWS": "/retail-lakehouse-* retail-lakehouse-* retail/pii-salt /aws-glue/jobs/* "
    "operations/lakehouse/*",
    "at GitHub": "refs/pull",
    "in another program": "materializations/table.sql kafka-delete-records.sh",
    "an example": "name/.. -/150 150/190",
}
KIND = re.compile(r"\w\.(py|sql|ya?ml|md|sh|tf|tfvars|hcl|mk|json|toml|txt|in|java)$")


@cache
def places() -> frozenset[str]:
    """Files and folders of the project."""
    files = [PurePosixPath(path) for path in project_files()]
    return frozenset(str(place) for file in files for place in (file, *file.parents))


def exists(place: str, page: str) -> bool:
    """Whether `place` is there, seen from the root, from the page, or by the end of its path."""
    pattern = re.sub(r"<[^>]+>", "*", place).rstrip("/")
    beside = str(PurePosixPath(page).parent / pattern)
    return any(
        fnmatchcase(known, wanted)
        for wanted in (pattern, beside, f"*/{pattern}")
        for known in places()
    )


def elsewhere(place: str) -> bool:
    return any(
        fnmatchcase(place, name) or fnmatchcase(place, f"{name}/*")
        for names in ELSEWHERE.values()
        for name in names.split()
    )


def titles(text: str) -> list[str]:
    """Headings and the bold words that paragraphs begin with, without markup."""
    found = re.findall(r"^#+ (.+)$|^(?:- |\d\. )?\*\*(.+?)\*\*", text, re.M)
    return [re.sub(r"\[(.+?)\]\(.+?\)", r"\1", a or b).replace("`", "") for a, b in found]


def anchors(text: str) -> set[str]:
    """As GitHub makes them of headings."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S), re.M)
    bare = [re.sub(r"\[(.+?)\]\(.+?\)", r"\1", heading).lower() for heading in headings]
    return {re.sub(r"[^\w\- ]", "", heading).replace(" ", "-") for heading in bare}


def broken_links(page: str, text: str) -> Iterator[str]:
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        path, _, anchor = link.partition("#")
        if re.match(r"[a-z]+:", path):
            continue
        target = (ROOT / page).parent / path if path else ROOT / page
        if not target.exists() or (
            anchor and anchor not in anchors(text if not path else target.read_text("utf-8"))
        ):
            yield link


def broken_names(page: str, text: str) -> set[str]:
    """Paths in backticks, and paths below a folder of the root wherever they stand."""
    named = set()
    for quoted in re.findall(r"`([^`\n]+)`", text):
        for word in quoted.split():
            if re.fullmatch(r"[\w.*<>/-]+", word) and ("/" in word or KIND.search(word)):
                named.add(word)
    roots = {re.escape(path.parts[0]) for path in project_files() if len(path.parts) > 1}
    named |= set(re.findall(rf"(?<![\w./-])((?:{'|'.join(roots)})/[\w.*<>/-]*\w)", text))
    return {place for place in named if not exists(place, page) and not elsewhere(place)}


def broken_lines(page: str, text: str) -> set[str]:
    """What one is told to type and cannot, and outputs that Terraform does not have."""
    folder = (ROOT / page).parent
    broken = {told for line in lines(text) for told in wrong(line, folder)}
    named = re.findall(r"\boutputs?\s+`(\w+)`", text)
    return broken | {name for name in named if name not in terraform_names("output")}


def broken_titles(page: str, text: str) -> Iterator[str]:
    """`docs/page.md, "Title"`, in pages and in comments."""
    line_break = r"\s+(?:(?:#|--|//) )?"
    for path, quoted in re.findall(rf'([\w./-]+\.md)\)?,{line_break}"([^"]+)"', text):
        title = re.sub(line_break, " ", quoted)
        named = [place for place in ((ROOT / page).parent / path, ROOT / path) if place.exists()]
        if not named or not any(
            known.startswith(title) for known in titles(named[0].read_text("utf-8"))
        ):
            yield f"{path}, {title}"


PAGES = sorted(str(path) for path in project_files() if path.suffix == ".md")


@pytest.mark.parametrize("page", PAGES)
def test_every_pointer_of_a_page_is_right(page: str) -> None:
    text = (ROOT / page).read_text("utf-8")
    assert list(broken_links(page, text)) == []
    assert list(broken_titles(page, text)) == []
    if page != "CHANGELOG.md":  # tells of what was
        assert broken_names(page, text) == set(), "moved? else into ELSEWHERE"
        assert broken_lines(page, text) == set()


def test_code_points_to_pages_that_are_there() -> None:
    wrong = []
    for path in project_files():
        if path.suffix in {".md", ".svg", ".jar"} or path == Path(__file__).relative_to(ROOT):
            continue
        try:
            text = (ROOT / path).read_text("utf-8")
        except UnicodeDecodeError:
            continue
        pages = re.findall(r"\bdocs/[\w/]+\.md", text)
        wrong += [f"{path}: {page}" for page in pages if page not in places()]
        wrong += [f"{path}: {title}" for title in broken_titles(str(path), text)]
    assert wrong == []


@pytest.mark.parametrize(
    ("planted", "told"),
    [
        ("see [landing](landed.md)", ["landed.md"]),
        ("see [stops](landing.md#when-it-stops)", ["landing.md#when-it-stops"]),
        ("see [stops](landing.md#when-landing-stops)", []),
        ("in `macros/history/row_hash.sql`", ["macros/history/row_hash.sql"]),
        ("in `row_hashes.sql`", ["row_hashes.sql"]),
        ("run\n\n    python tests/slow/run.py --all\n", ["tests/slow/run.py"]),
        ('(landing.md, "When it stops")', ["landing.md, When it stops"]),
        ('(landing.md, "When landing stops")', []),
        ("Terraform's output `buckets`", ["buckets"]),
        ("`lakehouse topics list`", ["lakehouse topics list: No such command 'list'."]),
        ("in `models/marts/<area>/*.yml`, `job.py`, `_ledger/<number>.jsonl`", []),
    ],
    ids=[
        *("page", "anchor", "right anchor", "path", "file", "in code", "title", "right title"),
        *("output", "line", "right paths"),
    ],
)
def test_a_wrong_pointer_is_told(planted: str, told: list[str]) -> None:
    page = "docs/planted.md"
    found = {
        *broken_links(page, planted),
        *broken_names(page, planted),
        *broken_titles(page, planted),
        *broken_lines(page, planted),
    }
    assert sorted(found) == told


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("make tests", "make has no tests"),
        ("lakehouse rebuild orders --swop", "No such option: --swop"),
        ("lakehouse topics peek", ""),
        ("lakehouse topics peek --count 1", "Missing argument 'topic'."),
        ("dbt run-operation deploy", "dbt has no operation deploy"),
        ("dbt build --select order__log", "dbt has no order__log"),
        ("dbt build --target test", "there is no target test"),
        ("LAKEHOUSE_LAND=x dbt build", "no setting is called LAKEHOUSE_LAND"),
        ("python -m lakehouse.delivery run --family ops -- dbt test", "argument --family: invalid"),
        (
            "python -m lakehouse.delivery run -- sh -c 'lakehouse land --now'",
            "No such option: --now",
        ),
        ("aws s3api put-object --bucket a", "aws s3 put-object needs --key"),
        ("aws ecs start --task x", "aws ecs has no start"),
        ("terraform apply -var stage=dev", "there is no variable stage"),
        ("terraform plan -var-file=environments/x.tfvars", "there is no environments/x.tfvars"),
        ("terraform output -raw roles", "there is no output roles"),
        ("infra/image/checks.sh x", "there is no infra/image/checks.sh"),
        ("lakehouse rebuild <table> --key … && aws s3 mv --recursive s3://a s3://b", ""),
        ("make test; lakehouse topics check; lakehouse rebuild orders > x", ""),
    ],
)
def test_a_line_that_cannot_be_typed_is_told(typed: str, told: str) -> None:
    found = [message for line in lines(f"```\n$ {typed}\n```") for message in wrong(line)]
    assert [message[: len(typed) + 2 + len(told)] for message in found] == (
        [f"{typed}: {told}"] if told else []
    )
