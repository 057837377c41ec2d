"""The Glue entry script under a stub that allows what awsglue has, and nothing else."""

from __future__ import annotations

import argparse
import copy
import os
import shutil
import subprocess
import sys
import threading
import types
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
import yaml

from ingestion import declarations
from ingestion.errors import TerminalError
from ingestion.landing.attempts import Size
from ingestion.landing.job import Landing
from ingestion.landing.lag import Lag
from ingestion.landing.plan import Subscription
from ingestion.settings import Settings
from tests.integration.landing.conftest import TABLE, Feed, Zone, wait_for

ROOT = Path(__file__).parents[3]


class GlueArgumentError(Exception):
    pass


def get_resolved_options(args: list[str], options: list[str]) -> dict[str, str]:
    """As awsglue.utils.getResolvedOptions: all that is asked for is required, the rest ignored."""
    parser = argparse.ArgumentParser(exit_on_error=False, allow_abbrev=False)
    for option in options:
        if option.startswith("job-bookmark"):
            raise GlueArgumentError(f"reserved: {option}")
        parser.add_argument(f"--{option}", required=True)
    parsed, _ = parser.parse_known_args(args[1:])
    return vars(parsed)


class GlueContext:
    def __init__(self, sparkContext: Any) -> None:  # noqa: N803 - awsglue's own name
        from pyspark import SparkContext
        from pyspark.sql import SparkSession

        assert isinstance(sparkContext, SparkContext)
        self.spark_session = SparkSession(sparkContext)


class GlueJob:
    calls: ClassVar[list[str]] = []

    def __init__(self, glue_context: GlueContext) -> None:
        assert isinstance(glue_context, GlueContext)

    def init(self, job_name: str, args: dict[str, str]) -> None:
        assert args["JOB_NAME"] == job_name
        self.calls.append("init")

    def commit(self) -> None:
        self.calls.append("commit")


@pytest.fixture
def awsglue(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    modules: dict[str, dict[str, object]] = {
        "awsglue": {},
        "awsglue.utils": {"getResolvedOptions": get_resolved_options},
        "awsglue.context": {"GlueContext": GlueContext},
        "awsglue.job": {"Job": GlueJob},
    }
    for name, content in modules.items():
        module = types.ModuleType(name)
        vars(module).update(content)
        monkeypatch.setitem(sys.modules, name, module)
    GlueJob.calls = []
    yield


def arguments(zone: Zone, **changed: str) -> list[str]:
    given = {
        "JOB_NAME": "landing",
        "bootstrap_servers": zone.broker.bootstrap_servers,
        "landing": zone.landing,
        "checkpoints": zone.checkpoints,
        "source": "postgresql",
        "declarations": str(declarations.SOURCES_FILE),
        "kafka_auth": "none",
        "interval": "0.2",
    } | changed
    pairs = [part for name, value in given.items() for part in (f"--{name}", value)]
    return ["landing.py", *pairs, "--enable-metrics", "true"]


def test_it_lands_until_it_is_stopped(
    awsglue: None, zone: Zone, feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ingestion.glue import landing

    feed.create(1).produce(5)
    stopping = threading.Event()
    monkeypatch.setattr(
        landing, "Landing", lambda job, spark, notice, _: Landing(job, spark, notice, stopping)
    )
    monkeypatch.setattr(landing, "subscriptions", lambda *_: (Subscription(TABLE, feed.topic),))
    zone.start_spark()
    failures: list[BaseException] = []

    def run() -> None:
        try:
            landing.main(arguments(zone))
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        wait_for(lambda: bool(failures) or sum(zone.landed().values()) == 5)
    finally:
        stopping.set()
        thread.join()
    assert failures == []
    assert GlueJob.calls == ["init", "commit"]
    assert zone.landed() == feed.truth()


def test_the_lag_goes_to_the_namespace_by_job(zone: Zone, monkeypatch: pytest.MonkeyPatch) -> None:
    from ingestion.glue import landing

    sent: list[object] = []

    class Recorder:
        def put(self, values: dict[str, float], **dimensions: str) -> None:
            sent.append((values, dimensions))

    def recorder(settings: Settings) -> Recorder | None:
        named = (settings.metrics_namespace, settings.environment)
        return Recorder() if named == ("Shop", "dev") else None

    monkeypatch.setattr(landing, "open_metrics", recorder)
    plain = arguments(zone)[1:-2]
    given = landing.DEFAULTS | dict(zip((n[2:] for n in plain[::2]), plain[1::2], strict=True))
    assert landing.parse(given, {}).job.observe is None

    watched = landing.parse(given | {"metrics_namespace": "Shop", "environment": "dev"}, {})
    assert watched.job.observe is not None
    watched.job.observe(Lag(5, 2.0))
    assert sent == [({"ConsumerLagRecords": 5, "LandingLagSeconds": 2.0}, {"Job": "landing"})]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"source": "oracle"}, "LAKEHOUSE_SOURCE is 'oracle'; allowed values"),
        ({"tables": "customers,nonsense"}, "no table 'nonsense' to land; there are: customers"),
        ({"interval": "soon"}, "--interval and --max_offsets are numbers"),
    ],
    ids=["source", "tables", "interval"],
)
def test_wrong_arguments_are_named(zone: Zone, changed: dict[str, str], message: str) -> None:
    from ingestion.glue import landing

    given = arguments(zone, **changed)[1:-2]
    resolved = dict(zip([name[2:] for name in given[::2]], given[1::2], strict=True))
    with pytest.raises(TerminalError, match=message):
        landing.parse(landing.DEFAULTS | resolved, {})


def test_jobs_land_any_group_of_tables_with_iam(zone: Zone) -> None:
    from ingestion.glue import landing
    from ingestion.landing.spark import read_options

    given = arguments(zone, tables="customers, customer_addresses", kafka_auth="iam")[1:-2]
    resolved = dict(zip([name[2:] for name in given[::2]], given[1::2], strict=True))
    job = landing.parse(landing.DEFAULTS | resolved, {"AWS_REGION": "eu-central-1"}).job
    assert [s.table for s in job.subscriptions()] == ["customers", "customer_addresses"]
    assert job.settings.aws_region == "eu-central-1"
    options = read_options(job.settings, [], Size(10, 1))
    assert options["kafka.sasl.mechanism"] == "AWS_MSK_IAM"
    assert options["kafka.security.protocol"] == "SASL_SSL"


def test_the_rest_is_what_the_release_declares(zone: Zone, own_file: Path) -> None:
    """A table is onboarded, rolled back and onboarded again, and the job's arguments stay."""
    from ingestion.glue import landing

    release = own_file.read_text("utf-8")
    onboarded = yaml.safe_load(release)
    [source] = onboarded["sources"]
    table = copy.deepcopy(source["tables"][-1])
    table["name"] = "gift_cards"
    topics = table["config"]["meta"]["topics"]
    table["config"]["meta"]["topics"] = {name: f"{topic}_cards" for name, topic in topics.items()}
    source["tables"].append(table)

    def landed(declared: str) -> list[str]:
        own_file.write_text(declared, "utf-8")
        given = arguments(zone, all_but="customers,stores", declarations=str(own_file))[1:-2]
        resolved = dict(zip([name[2:] for name in given[::2]], given[1::2], strict=True))
        return [s.table for s in landing.parse(landing.DEFAULTS | resolved, {}).job.subscriptions()]

    before = landed(release)
    assert {"orders", "debezium_heartbeat"} <= set(before)
    assert {"customers", "stores"}.isdisjoint(before)
    assert set(landed(yaml.safe_dump(onboarded))) == {*before, "gift_cards"}
    assert landed(release) == before
    with pytest.raises(TerminalError, match="declares nothing to land but"):
        own_file.write_text(release, "utf-8")
        given = arguments(zone, all_but=",".join([*before, "customers", "stores"]))[1:-2]
        resolved = dict(zip([name[2:] for name in given[::2]], given[1::2], strict=True))
        landing.parse(landing.DEFAULTS | resolved, {})


@pytest.fixture
def own_file(tmp_path: Path) -> Path:
    """The declarations as a release brings them."""
    return Path(shutil.copy(ROOT / "models/staging/retail/_retail__sources.yml", tmp_path))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    root, source = ROOT, folder / "source"
    for part in ("ingestion", "requirements"):
        shutil.copytree(root / part, source / part)
    for file in ("pyproject.toml", "README.md"):
        shutil.copy(root / file, source)
    command = ["pip", "wheel", "--no-deps", "--no-build-isolation", "-q", "-w", str(folder)]
    built = subprocess.run(
        [sys.executable, "-m", *command, str(source)], capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stderr
    (wheel,) = folder.glob("*.whl")
    return wheel


def test_the_wheel_brings_the_entry_script(wheel: Path) -> None:
    assert wheel.name.endswith("-py3-none-any.whl")
    with zipfile.ZipFile(wheel) as content:
        names = content.namelist()
        metadata = next(name for name in names if name.endswith("METADATA"))
        assert "Requires-Python: >=3.11" in content.read(metadata).decode()
    assert {"ingestion/glue/landing.py", "ingestion/landing/job.py"} <= set(names)


def test_the_wheel_is_valid_on_glue_s_python(wheel: Path, tmp_path: Path) -> None:
    """Glue 6.0's Python with the wheels that the jobs bring: every module compiles without a
    warning, and those that need nothing of what Glue has can be imported."""
    python = shutil.which("python3.13")
    environment = os.environ | {"PYENV_VERSION": "3.13"}  # where python3.13 is pyenv's
    if python is None or subprocess.run([python, "-V"], env=environment, check=False).returncode:
        pytest.skip("there is no Python 3.13 on this machine")
    named = tmp_path / "bin/python3"
    named.parent.mkdir()
    named.symlink_to(python)
    packages = ROOT / "data" / "glue"  # kept from run to run
    subprocess.run(
        [ROOT / "infra/image/install_packages.sh", packages, ROOT / "requirements/glue.txt"],
        env=environment | {"PATH": f"{named.parent}:{environment['PATH']}"},
        check=True,
    )
    with zipfile.ZipFile(wheel) as content:
        content.extractall(tmp_path)
    modules = "ingestion.landing.job, ingestion.landing.compaction, ingestion.landing.spark"
    for command in (
        ["-W", "error", "-m", "compileall", "-q", "-f", str(tmp_path / "ingestion")],
        ["-W", "error", "-c", f"import {modules}"],
    ):
        ran = subprocess.run(
            [packages / "bin/python", *command],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
