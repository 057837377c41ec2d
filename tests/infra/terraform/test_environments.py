"""dev, qa and prod: nothing of one in another's plan, and no plan of one with another's state."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.infra.terraform import aws, harness
from tests.infra.terraform.conftest import Environment
from tests.infra.terraform.harness import Result, Terraform, planned

Environments = dict[str, Environment]


def words(plan: dict[str, Any]) -> str:
    """Everything that the plan was given, has read and would send."""
    return json.dumps([plan["planned_values"], plan["variables"], plan["prior_state"]])


@pytest.mark.parametrize("name", harness.ENVIRONMENTS)
def test_nothing_of_another_environment_is_in_the_plan(
    environments: Environments, name: str
) -> None:
    text = words(environments[name].plan)
    others = [other for other in harness.ENVIRONMENTS if other != name]
    for other in others:
        for form in ("retail-lakehouse-{}", "retail_lakehouse_{}", '"{}"', "{}/terraform.tfstate"):
            assert form.format(other) not in text


@pytest.mark.parametrize("name", harness.ENVIRONMENTS)
def test_every_name_carries_its_environment(environments: Environments, name: str) -> None:
    """Names are unique in an account: one without its environment would collide."""
    own = ("name", "bucket", "cluster_name", "cluster_identifier", "alarm_name",
           "workgroup_name", "namespace_name", "identifier", "dashboard_name")  # fmt: skip
    # Names inside something that carries the environment itself, and endpoints' aliases.
    inner = {"aws_iam_role_policy"}
    wrong = [
        (resource["address"], key, value)
        for resource in planned(environments[name].plan)
        if resource["mode"] == "managed" and resource["type"] not in inner
        for key in own
        if isinstance(value := resource["values"].get(key), str)
        if f"retail-lakehouse-{name}" not in value and f"retail_lakehouse_{name}" not in value
    ]
    assert wrong == []


@pytest.mark.parametrize("name", harness.ENVIRONMENTS)
def test_default_tags_say_whose_it_is(environments: Environments, name: str) -> None:
    tagged = [
        resource["values"]["tags_all"]
        for resource in planned(environments[name].plan)
        if resource["values"].get("tags_all")
    ]
    assert len(tagged) > 50
    assert {tags["Environment"] for tags in tagged} == {name}
    assert {tags["ManagedBy"] for tags in tagged} == {"terraform"}


def test_prod_keeps_what_holds_data(environments: Environments) -> None:
    made = list(planned(environments["prod"].plan))
    buckets = [r["values"] for r in made if r["type"] == "aws_s3_bucket"]
    assert len(buckets) == 5
    assert not any(bucket["force_destroy"] for bucket in buckets)
    [cluster] = [r["values"] for r in made if r["type"] == "aws_redshift_cluster"]
    assert cluster["skip_final_snapshot"] is False
    assert cluster["final_snapshot_identifier"] == "retail-lakehouse-prod-final"
    assert len([r for r in made if r["type"] == "aws_nat_gateway"]) == 3


# What a company may have already: all of dev's network, Kafka and warehouse.
EXISTING: dict[str, Any] = {
    "network": {
        "existing": {
            "vpc_id": "vpc-0123456789abcdef0",
            "private_subnet_ids": [f"subnet-{n}123456789abcdef0" for n in range(3)],
            "security_group_ids": {
                place: f"sg-{n}123456789abcdef0"
                for n, place in enumerate(("endpoints", "msk", "redshift"))
            },
        },
        "azure_sql": {"egress": "none"},
    },
    "kafka": {
        "existing": {
            "arn": aws.ARN.format(service="kafka", rest="cluster/theirs/11111111-2222-1"),
            "name": "theirs",
            "bootstrap_brokers": "b-2.theirs:9098,b-1.theirs:9098",
        }
    },
    "redshift": {
        "mode": "existing",
        "existing": {
            "host": "theirs.example.org",
            "cluster_identifier": "theirs",
            "admin_secret_arn": aws.ARN.format(
                service="secretsmanager", rest="secret:redshift!theirs"
            ),
        },
    },
}


@pytest.mark.long
def test_what_is_there_already_is_used_and_not_made(terraform: Terraform, tree: Path) -> None:
    own = terraform.at(TF_DATA_DIR=".terraform-existing", TF_VAR_access_key="terraform-plan")
    harness.init(own, tree, "-backend-config=path=existing.tfstate")
    given = [f"-var={name}={json.dumps(value)}" for name, value in EXISTING.items()]
    options = ("-input=false", "-no-color", "-var-file=environments/dev.tfvars", *given)
    own.must(tree, "plan", *options, "-out=existing.tfplan")

    plan = harness.show(own, tree, "existing.tfplan")

    made = [resource for resource in planned(plan) if resource["mode"] == "managed"]
    kinds = {resource["type"] for resource in made}
    assert not {kind for kind in kinds if re.match(r"aws_(vpc$|subnet|nat|msk_|redshift)", kind)}
    groups = {r["index"] for r in made if r["type"] == "aws_security_group"}
    assert groups == {"connect", "glue", "tasks"}
    rules = {r["index"]: r["values"] for r in made if r["type"].endswith("ingress_rule")}
    theirs = EXISTING["network"]["existing"]["security_group_ids"]
    for way, rule in rules.items():
        server = way.partition("-to-")[2]
        assert rule.get("security_group_id") == theirs.get(server), way
    assert len([r for r in made if r["address"].startswith("module.network") and
                r["name"] == "s3" and r["type"].endswith("egress_rule")]) == 4  # fmt: skip
    looked_at = [r["values"].get("dimensions", {}) for r in made]
    assert {of["Cluster Name"] for of in looked_at if "Cluster Name" in of} == {"theirs"}


OTHER_ACCOUNT = "210987654321"
OWNER = "-target=terraform_data.owner"
OWN_PROVIDER = {"TF_REATTACH_PROVIDERS": ""}


@dataclass(frozen=True)
class Checkout:
    """The root as everybody has it, its states in the buckets that bootstrap makes."""

    root: Path
    terraform: Terraform
    cloud: str

    def client(self, service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.cloud,
            region_name=aws.REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    def run(
        self, command: str, *options: str, tfvars: str, bucket: str, key: str, **login: str
    ) -> Result:
        """Initialise with one environment's state, then `command` with another's variables."""
        state = (f"bucket={place(bucket)['Bucket']}", f"key={place(key)['Key']}")
        for_moto = (f"region={aws.REGION}", "use_path_style=true")
        backend = [f"-backend-config={value}" for value in state + for_moto]
        harness.init(self.terraform.at(**OWN_PROVIDER), self.root, "-reconfigure", *backend)
        variables = f"-var-file=environments/{tfvars}.tfvars"
        given = ("-input=false", "-no-color", variables, *options)
        result = self.terraform.at(**login).run(self.root, command, *given)
        return Result(result.code, " ".join(result.output.split()))


def place(name: str) -> dict[str, str]:
    """Where an environment's state is."""
    bucket = f"retail-lakehouse-{name}-terraform-{aws.ACCOUNT}"
    return {"Bucket": bucket, "Key": f"{name}/terraform.tfstate"}


@pytest.fixture(scope="module")
def checkout(
    terraform: Terraform, cloud: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Checkout]:
    root = harness.copy_tree(tmp_path_factory.mktemp("checkout"))
    harness.on_loopback(root, state="")
    checkout = Checkout(root, terraform.at(AWS_ENDPOINT_URL=cloud), cloud)
    s3 = checkout.client("s3")
    region = {"LocationConstraint": aws.REGION}
    there = {bucket["Name"] for bucket in s3.list_buckets()["Buckets"]}
    for name in ("dev", "qa"):
        if place(name)["Bucket"] in there:  # bootstrap's, which its destroy does not miss
            s3.delete_bucket(Bucket=place(name)["Bucket"])
        s3.create_bucket(Bucket=place(name)["Bucket"], CreateBucketConfiguration=region)
    yield checkout
    for name in ("dev", "qa"):
        s3.delete_object(**place(name))
        s3.delete_bucket(Bucket=place(name)["Bucket"])


@pytest.mark.parametrize(("bucket", "key"), [("dev", "dev"), ("dev", "qa"), ("qa", "dev")])
def test_variables_with_the_state_of_another_environment_are_refused(
    checkout: Checkout, bucket: str, key: str
) -> None:
    refused = checkout.run("plan", tfvars="qa", bucket=bucket, key=key)
    assert refused.code == 1
    state = "s3://{Bucket}/{Key}".format(**place(bucket) | {"Key": place(key)["Key"]})
    assert f"are of qa and the credentials of account {aws.ACCOUNT}" in refused.output
    assert f"but the state is {state}. Take all three of one environment" in refused.output


def test_a_state_with_the_credentials_of_another_account_is_refused(checkout: Checkout) -> None:
    keys = checkout.client("sts").assume_role(
        RoleArn=f"arn:aws:iam::{OTHER_ACCOUNT}:role/apply", RoleSessionName="apply"
    )["Credentials"]
    login = OWN_PROVIDER | {
        "AWS_ACCESS_KEY_ID": keys["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": keys["SecretAccessKey"],
        "AWS_SESSION_TOKEN": keys["SessionToken"],
    }
    refused = checkout.run("plan", tfvars="dev", bucket="dev", key="dev", **login)
    assert refused.code == 1
    assert f"are of dev and the credentials of account {OTHER_ACCOUNT}" in refused.output


def test_variables_with_the_credentials_of_another_account_are_refused(checkout: Checkout) -> None:
    ids = f'-var=account_ids=["{OTHER_ACCOUNT}"]'
    refused = checkout.run("plan", ids, tfvars="qa", bucket="qa", key="qa")
    assert refused.code == 1
    assert f"but account_ids of the tfvars is {OTHER_ACCOUNT}. Take the role" in refused.output


def test_a_state_with_something_in_it_is_of_its_environment_only(checkout: Checkout) -> None:
    """Neither is it destroyed with another's variables, nor planned where it was copied to."""
    made = checkout.run("apply", OWNER, "-auto-approve", tfvars="dev", bucket="dev", key="dev")
    assert made.code == 0, made.output
    checkout.client("s3").copy_object(**place("qa"), CopySource=place("dev"))

    refused = checkout.run("destroy", "-auto-approve", tfvars="qa", bucket="dev", key="dev")
    assert refused.code == 1
    assert "The tfvars are of qa" in refused.output

    refused = checkout.run("plan", OWNER, tfvars="qa", bucket="qa", key="qa")
    assert refused.code == 1
    assert f"This state is of retail-lakehouse-dev in account {aws.ACCOUNT}" in refused.output
