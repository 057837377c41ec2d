"""What Terraform asks of AWS, seen at the endpoint: each request as the IAM action that admits it.

A request names its service in its signature; its operation is found in botocore's models.
"""

from __future__ import annotations

import io
import re
import urllib.parse
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import botocore.session

# Service Authorization Reference, "Actions defined by ...": where an action has not its operation's
# name, or not the signing name's prefix.
PREFIXES = {"monitoring": "cloudwatch"}
ACTIONS = {
    "budgets:CreateBudget": "budgets:ModifyBudget",
    "budgets:CreateNotification": "budgets:ModifyBudget",
    "budgets:DescribeBudget": "budgets:ViewBudget",
    "budgets:DescribeNotificationsForBudget": "budgets:ViewBudget",
    "budgets:DescribeSubscribersForNotification": "budgets:ViewBudget",
    "s3:CopyObject": "s3:PutObject",  # botocore's first operation of that form
    "s3:GetBucketAccelerateConfiguration": "s3:GetAccelerateConfiguration",
    "s3:GetBucketCors": "s3:GetBucketCORS",
    "s3:GetBucketEncryption": "s3:GetEncryptionConfiguration",
    "s3:GetBucketLifecycle": "s3:GetLifecycleConfiguration",
    "s3:GetBucketReplication": "s3:GetReplicationConfiguration",
    "s3:GetObjectLockConfiguration": "s3:GetBucketObjectLockConfiguration",
    "s3:GetPublicAccessBlock": "s3:GetBucketPublicAccessBlock",
    "s3:HeadBucket": "s3:ListBucket",
    "s3:HeadObject": "s3:GetObject",
    "s3:ListObjectsV2": "s3:ListBucket",
    "s3:PutBucketEncryption": "s3:PutEncryptionConfiguration",
    "s3:PutBucketLifecycle": "s3:PutLifecycleConfiguration",
    "s3:PutPublicAccessBlock": "s3:PutBucketPublicAccessBlock",
}


@dataclass(frozen=True, order=True)
class Call:
    """An action and, of S3, the bucket or object; of other services "*"."""

    action: str
    resource: str = "*"


@dataclass
class Recorded:
    """The WSGI application, with a note of what is asked of it."""

    application: WSGIApplication
    calls: set[Call] = field(default_factory=set)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if (signed := signing_name(environ)) is not None:
            self.calls.add(call(signed, environ))
        return self.application(environ, start_response)


def signing_name(environ: WSGIEnvironment) -> str | None:
    """The service that the request is signed for, None for one without a signature."""
    signature = environ.get("HTTP_AUTHORIZATION", "")
    scope = re.search(r"Credential=[^/]+/\d+/[^/]+/([^/]+)/", signature)
    return scope[1] if scope else None


def call(service: str, environ: WSGIEnvironment) -> Call:
    """What the request asks for.

    Raises:
        LookupError: botocore knows no such operation.
    """
    asked = f"{PREFIXES.get(service, service)}:{_operation(service, environ)}"
    resource = "*"
    if service == "s3":
        resource = "arn:aws:s3:::" + urllib.parse.unquote(environ["PATH_INFO"]).strip("/")
    return Call(ACTIONS.get(asked, asked), resource)


def _operation(service: str, environ: WSGIEnvironment) -> str:
    if "HTTP_X_AMZ_TARGET" in environ:
        return str(environ["HTTP_X_AMZ_TARGET"].rpartition(".")[2])
    if environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
        raw: bytes = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(raw)
        return urllib.parse.parse_qs(raw.decode())["Action"][0]
    # As it was sent: an ARN in a path has its slashes escaped.
    method, path = environ["REQUEST_METHOD"], environ["RAW_URI"].partition("?")[0].rstrip("/")
    query = set(urllib.parse.parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True))
    for route in _routes(service):
        if route.method == method and route.path.fullmatch(path) and route.query <= query:
            return route.operation
    raise LookupError(f"{service} {method} {path}?{environ.get('QUERY_STRING', '')}")


@dataclass(frozen=True)
class Route:
    """Method, path and fixed parameters of a REST operation."""

    operation: str
    method: str
    path: re.Pattern[str]
    query: frozenset[tuple[str, str]]
    literal: int


@cache
def _routes(signed: str) -> list[Route]:
    """The operations of a REST service, the most particular first."""
    session = botocore.session.get_session()
    # Most are called as they sign. To look through all fills two gigabytes.
    names = sorted(session.get_available_services(), key=lambda name: name != signed)
    models = (session.get_service_model(name) for name in names)
    model = next(model for model in models if model.signing_name == signed)
    routes = []
    for name in model.operation_names:
        http = model.operation_model(name).http
        path, _, query = http["requestUri"].partition("?")
        parts = re.split(r"(\{\w+\+?\})", path.rstrip("/"))
        pattern = "".join(
            re.escape(part) if not part.startswith("{") else (".+" if "+" in part else "[^/]+")
            for part in parts
        )
        fixed = frozenset(urllib.parse.parse_qsl(query, keep_blank_values=True))
        literal = sum(len(part) for part in parts if not part.startswith("{"))
        routes.append(Route(name, http["method"], re.compile(pattern), fixed, literal))
    return sorted(routes, key=lambda route: (-len(route.query), -route.literal))
