"""AWS on loopback for `terraform apply`: moto, and what moto lacks.

What moto does not know is answered here by small stores that keep what was sent and give it back
with the computed fields that the provider waits for. They prove that the provider accepts the
configuration, that references resolve, and that a second plan is empty; they do not prove what the
real service would refuse. docs/security.md lists what stands behind which part of the proof.
"""

from __future__ import annotations

import fnmatch
import io
import json
import re
import threading
import urllib.parse
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from unittest import mock
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from moto.core.config import default_user_config
from moto.glue.models import glue_backends
from moto.kafka.models import kafka_backends
from werkzeug.test import run_wsgi_app

from tests.infra.terraform.calls import Call, Recorded, signature

ACCOUNT = "123456789012"
REGION = "eu-central-1"
ARN = f"arn:aws:{{service}}:{REGION}:{ACCOUNT}:{{rest}}"
CREATED = "2026-01-01T00:00:00Z"

Json = dict[str, Any]

FIXED: dict[tuple[str, str], Json] = {
    ("states", "ValidateStateMachineDefinition"): {"result": "OK", "diagnostics": []},
    ("states", "ListStateMachineVersions"): {"stateMachineVersions": []},
    ("servicequotas", "GetAWSDefaultServiceQuota"): {
        "Quota": {"QuotaName": "EC2-VPC Elastic IPs", "QuotaCode": "L-0263D0A3", "Value": 5.0}
    },
}


class NotFoundError(Exception):
    """Nothing is stored under the name asked for."""


@dataclass
class Rest:
    """A REST service: POST to a collection makes, GET and DELETE of `collection/arn` look after."""

    service: str
    collections: dict[str, str]
    computed: Callable[[Json, str], Json]
    things: dict[str, Json] = field(default_factory=dict)

    def answer(self, method: str, path: str, body: Json) -> Json | None:
        """The response, None when the path is not one of these collections.

        Raises:
            NotFoundError: there is nothing of that ARN.
        """
        match = re.fullmatch(r"/v1/([a-z-]+)(?:/(arn:[^/]+(?:/.+?)?))?(/revisions/\d+)?", path)
        if match is None or match[1] not in (*self.collections, "tags"):
            return None
        kind, arn = self.collections.get(match[1], ""), match[2]
        if method == "POST":
            arn = ARN.format(service=self.service, rest=f"{kind}/{body['name']}/{uuid.uuid4()}")
            self.things[arn] = body | self.computed(body, arn)
            return self.things[arn]
        if match[1] == "tags":
            return {"tags": self.things[arn].get("tags", {})}
        if arn not in self.things:
            raise NotFoundError(arn)
        if method == "DELETE":
            return self.things.pop(arn)
        return self.things[arn]


def _connect_fields(body: Json, arn: str) -> Json:
    revision = {"revision": 1, "creationTime": CREATED}
    if "location" in body:
        s3 = body["location"]["s3Location"]
        described = revision | {
            "contentType": body["contentType"],
            "description": body.get("description"),
            "location": {"s3Location": s3},
        }
        return {
            "customPluginArn": arn,
            "customPluginState": "ACTIVE",
            "revision": 1,
            "latestRevision": described,
        }
    described = revision | {
        "propertiesFileContent": body["propertiesFileContent"],
        "description": body.get("description"),
    }
    return {
        "workerConfigurationArn": arn,
        "workerConfigurationState": "ACTIVE",
        "latestRevision": described,
    }


def _configuration_fields(body: Json, arn: str) -> Json:
    return {
        "arn": arn,
        "state": "ACTIVE",
        "revision": 1,
        "latestRevision": {
            "revision": 1,
            "creationTime": CREATED,
            "description": body.get("description"),
        },
    }


@dataclass
class Serverless:
    """Redshift Serverless: namespaces, workgroups and usage limits, kept as they were sent."""

    things: dict[str, dict[str, Json]] = field(
        default_factory=lambda: {"namespace": {}, "workgroup": {}, "usageLimit": {}}
    )

    def answer(self, operation: str, body: Json) -> Json:
        """The response of `operation`.

        Raises:
            NotFoundError: it names something that does not exist.
        """
        if operation == "ListTagsForResource":
            return {"tags": self._tags(body["resourceArn"])}
        if operation == "UpdateNamespace":
            return {"namespace": self._get("namespace", body["namespaceName"])}
        match = re.fullmatch(r"(Create|Get|Delete)(Namespace|Workgroup|UsageLimit)", operation)
        if match is None:
            raise NotImplementedError(f"redshift-serverless {operation}")
        verb, kind = match[1], match[2][0].lower() + match[2][1:]
        identity = f"{kind}Id" if kind == "usageLimit" else f"{kind}Name"
        if verb == "Create":
            thing = self._made(kind, body)
            self.things[kind][thing[identity]] = thing
        elif verb == "Get":
            thing = self._get(kind, body[identity])
        else:
            thing = self._get(kind, body[identity]) | {"status": "DELETING"}
            del self.things[kind][body[identity]]
        return {kind: thing}

    def _get(self, kind: str, name: str) -> Json:
        if name not in self.things[kind]:
            raise NotFoundError(name)
        return self.things[kind][name]

    def _tags(self, arn: str) -> list[Json]:
        for kind in self.things.values():
            for thing in kind.values():
                if arn in thing.values():
                    tags: list[Json] = thing["tags"]
                    return tags
        raise NotFoundError(arn)

    def _made(self, kind: str, body: Json) -> Json:
        identity = str(uuid.uuid4())
        arn = ARN.format(service="redshift-serverless", rest=f"{kind.lower()}/{identity}")
        thing = body | {"status": "AVAILABLE", f"{kind}Id": identity, f"{kind}Arn": arn}
        thing.setdefault("tags", [])
        if kind == "namespace":
            thing["adminPasswordSecretArn"] = ARN.format(
                service="secretsmanager", rest=f"secret:redshift!{body['namespaceName']}-abcdef"
            )
            # Roles are sent as ARNs and come back wrapped.
            thing["iamRoles"] = [
                f"IamRole(applyStatus=in-sync, iamRoleArn={role})"
                for role in body.get("iamRoles", [])
            ]
        if kind == "workgroup":
            host = f"{body['workgroupName']}.{ACCOUNT}.{REGION}.redshift-serverless.amazonaws.com"
            thing["endpoint"] = {"address": host, "port": body.get("port", 5439)}
        return thing


@dataclass
class Budgets:
    """Who is told of a budget: moto keeps notifications, but not their subscribers."""

    subscribers: dict[str, list[Json]] = field(default_factory=dict)
    tags: list[Json] = field(default_factory=list)

    def answer(self, operation: str, body: Json) -> Json | None:
        """The response, None when moto answers."""
        if operation == "CreateBudget":
            self.tags = body.get("ResourceTags", [])
        if operation == "ListTagsForResource":
            return {"ResourceTags": self.tags}
        if operation == "CreateNotification":
            self.subscribers[self._key(body)] = body["Subscribers"]
        if operation == "DescribeSubscribersForNotification":
            return {"Subscribers": self.subscribers[self._key(body)]}
        return None

    @staticmethod
    def _key(body: Json) -> str:
        notification = body["Notification"]
        return (
            f"{body['BudgetName']} {notification['NotificationType']} {notification['Threshold']}"
        )


class Extended:
    """The WSGI application: what moto lacks is answered here, the rest by moto."""

    def __init__(self, moto: WSGIApplication) -> None:
        self._moto = moto
        self._connect = Rest(
            "kafkaconnect",
            {"custom-plugins": "custom-plugin", "worker-configurations": "worker-configuration"},
            _connect_fields,
        )
        self._kafka = Rest("kafka", {"configurations": "configuration"}, _configuration_fields)
        self._serverless = Serverless()
        self._budgets = Budgets()
        self._scaling_tags: Json = {}

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        _, service = signature(environ) or ("", "")
        try:
            answer = self._answer(service, environ)
            if answer is None:
                return self._moto(environ, start_response)
        except NotFoundError as error:
            return _absent(start_response, service, str(error))
        except NotImplementedError as error:
            # 400: a client does not try again.
            return _respond(start_response, 400, {"message": f"stand-in: no {error}"}, "Unknown")
        return _respond(start_response, 200, answer)

    def _answer(self, service: str, environ: WSGIEnvironment) -> Json | None:
        operation = environ.get("HTTP_X_AMZ_TARGET", "").rpartition(".")[2]
        if service == "redshift-serverless":
            return self._serverless.answer(operation, _body(environ))
        if service == "budgets":
            return self._budgets.answer(operation, _body(environ))
        if service == "application-autoscaling":
            if operation == "RegisterScalableTarget":
                self._scaling_tags = _body(environ).get("Tags", self._scaling_tags)
            return {"Tags": self._scaling_tags} if operation == "ListTagsForResource" else None
        if (service, operation) == ("glue", "DeleteConnection"):
            del glue_backends[ACCOUNT][REGION].connections[_body(environ)["ConnectionName"]]
            return {}
        if service in ("kafka", "kafkaconnect"):
            return self._answer_rest(service, environ)
        return FIXED.get((service, operation))

    def _answer_rest(self, service: str, environ: WSGIEnvironment) -> Json | None:
        path = urllib.parse.unquote(environ["PATH_INFO"])
        method = environ["REQUEST_METHOD"]
        if service == "kafkaconnect":
            answer = self._connect.answer(method, path, _body(environ))
            if answer is None:
                raise NotImplementedError(f"kafkaconnect {method} {path}")
            return answer
        if path.startswith("/v1/configurations"):
            return self._kafka.answer(method, path, _body(environ))
        cluster = re.fullmatch(r"/(?:api/v2|v1)/clusters/(arn:[^/]+/[^/]+/[^/]+)", path)
        if cluster and cluster[1] not in kafka_backends[ACCOUNT][REGION].clusters:
            raise NotFoundError(cluster[1])
        if path.endswith("/bootstrap-brokers"):
            hosts = [f"b-{n}.dev.kafka.{REGION}.amazonaws.com:9098" for n in (3, 1, 2)]
            return {"bootstrapBrokerStringSaslIam": ",".join(hosts)}
        return None


def _body(environ: WSGIEnvironment) -> Json:
    raw = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(raw)  # moto may read it again
    body: Json = json.loads(raw) if raw else {}
    return body


def _absent(start_response: StartResponse, service: str, name: str) -> list[bytes]:
    """Each service has its own words for what does not exist; the provider waits for them."""
    if ":configuration/" in name:
        message = {"message": "Configuration ARN does not exist."}
        return _respond(start_response, 400, message, "BadRequestException")
    kafka = service.startswith("kafka")
    error = "NotFoundException" if kafka else "ResourceNotFoundException"
    return _respond(start_response, 404, {"message": name}, error)


def _respond(
    start_response: StartResponse, status: int, answer: Json, error: str = ""
) -> list[bytes]:
    content = json.dumps(answer | ({"__type": error} if error else {})).encode()
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(content)))]
    if error:
        headers.append(("x-amzn-ErrorType", error))
    start_response(f"{status} {HTTPStatus(status).phrase}", headers)
    return [content]


def _may_deliver_logs(target_bucket: Any, target_prefix: str | None) -> bool:
    """Whether the bucket's policy admits S3's log delivery, read as IAM reads it."""
    policy = json.loads(target_bucket.policy.decode()) if target_bucket.policy else {}
    for statement in policy.get("Statement", []):
        principal = statement["Principal"]
        resource = statement["Resource"]
        if (
            statement["Effect"] == "Allow"
            and isinstance(principal, dict)
            and principal.get("Service") == "logging.s3.amazonaws.com"
            and fnmatch.fnmatch(f"arn:aws:s3:::{target_bucket.name}/{target_prefix}x", resource)
        ):
            return True
    return False


@contextmanager
def _corrected() -> Iterator[None]:
    """moto, corrected where it does what AWS does not.

    An MSK cluster stays in CREATING for ever and its ARN lacks the name; a bucket policy with the
    principal "*" crashes the check of a log bucket; and conditions of a bucket policy are not read,
    so that "deny without TLS" denies all. AWS's managed policies are only there when asked for.
    """
    from moto.iam.access_control import PermissionResult
    from moto.kafka.models import FakeKafkaCluster
    from moto.s3.models import FakeBucket

    made = FakeKafkaCluster.__init__

    def active(self: Any, *args: Any, **kwargs: Any) -> None:
        made(self, *args, **kwargs)
        self.state = "ACTIVE"
        self.arn = ARN.format(
            service="kafka", rest=f"cluster/{self.cluster_name}/{self.cluster_id}-1"
        )

    with (
        mock.patch.object(FakeKafkaCluster, "__init__", active),
        mock.patch.object(
            FakeBucket, "_log_permissions_enabled_policy", staticmethod(_may_deliver_logs)
        ),
        mock.patch.object(FakeBucket, "get_permission", lambda *_: PermissionResult.NEUTRAL),
        mock.patch.dict(default_user_config["iam"], load_aws_managed_policies=True),
    ):
        yield


@dataclass(frozen=True)
class Answer:
    """What was sent back to a request."""

    status: str
    headers: list[tuple[str, str]]
    content: bytes


class Once:
    """A WSGI application that carries out each request of an AWS SDK once.

    An SDK sends a request again when no answer came in time, which happens on a busy machine. AWS
    knows it by its ClientToken; moto would make the thing a second time or refuse it. The SDK's
    header `amz-sdk-invocation-id` is the same for all attempts.
    """

    def __init__(self, application: WSGIApplication) -> None:
        self._application = application
        self._locks: dict[str, threading.Lock] = {}
        self._answers: dict[str, Answer] = {}

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        invocation = environ.get("HTTP_AMZ_SDK_INVOCATION_ID")
        if invocation is None or environ["REQUEST_METHOD"] == "GET":
            return self._application(environ, start_response)
        with self._locks.setdefault(invocation, threading.Lock()):
            answer = self._answers.get(invocation) or self._answer(environ)
            if int(answer.status.split()[0]) < HTTPStatus.BAD_REQUEST:
                self._answers[invocation] = answer
        start_response(answer.status, answer.headers)
        return [answer.content]

    def _answer(self, environ: WSGIEnvironment) -> Answer:
        content, status, headers = run_wsgi_app(self._application, environ, buffered=True)
        return Answer(status, list(headers.items()), b"".join(content))


@contextmanager
def running(calls: set[Call]) -> Iterator[str]:
    """The address of an empty cloud for as long as it is needed; `calls` gets what is asked of it.

    moto keeps one cloud per process: what other tests made in it is gone.
    """
    from moto.moto_api._internal.models import moto_api_backend
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    with _corrected():
        moto_api_backend.reset()
        moto = DomainDispatcherApplication(create_backend_app)
        application = Recorded(Once(Extended(moto)), calls)
        server = make_server("127.0.0.1", 0, application, threaded=True)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
