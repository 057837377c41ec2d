"""What is asked of AWS, seen at the endpoint: who asks, and the IAM actions that admit the request.

A request names its service in its signature, and who asks in the access key, which here is a role's
name. Its operation is found in botocore's models; actions.yml says what the action is called where
it has another name, and what it acts on.
"""

from __future__ import annotations

import io
import json
import re
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import botocore.session
import yaml

Json = Mapping[str, Any]
TABLE = yaml.safe_load(Path(__file__).with_name("actions.yml").read_text("utf-8"))
ROLE = re.compile(r"arn:aws:iam::\d{12}:role/[\w+=,.@-]+")
HERE = "eu-central-1:123456789012"


@dataclass(frozen=True, order=True)
class Call:
    """An action that somebody must be allowed, on a resource ("*": of any kind and name)."""

    who: str
    action: str
    resource: str = "*"
    context: tuple[tuple[str, str], ...] = ()


@dataclass
class Recorded:
    """The WSGI application, with a note of what is asked of it."""

    application: WSGIApplication
    calls: set[Call] = field(default_factory=set)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if signature(environ) is not None:
            self.calls.update(calls(environ))
        return self.application(environ, start_response)


def signature(environ: WSGIEnvironment) -> tuple[str, str] | None:
    """Access key and service that the request is signed for, None for one without a signature."""
    signed = environ.get("HTTP_AUTHORIZATION", "")
    scope = re.search(r"Credential=([^/]+)/\d+/[^/]+/([^/]+)/", signed)
    return (scope[1], scope[2]) if scope else None


def calls(environ: WSGIEnvironment) -> Iterator[Call]:
    """What the request asks for.

    Raises:
        LookupError: botocore knows no such operation, or the table no service that takes a role.
    """
    signed = signature(environ)
    assert signed is not None
    who, service = signed
    operation, given = _request(service, environ)
    prefix = TABLE["prefixes"].get(service, service)
    asked = f"{prefix}:{operation}"
    if asked in TABLE["needs_nothing"]:
        return
    for row in TABLE["operations"].get(asked, [{}]):
        if "when" not in row or _found(given, row["when"]):
            context = {key: _filled(text, given) for key, text in row.get("context", {}).items()}
            yield Call(
                who,
                row.get("action", asked),
                _resource(prefix, row, given),
                tuple(sorted((key, value) for key, value in context.items() if value)),
            )
    if re.match(r"Create|Put|Register|Update|Run|Modify", operation):
        for role in sorted(_roles(given)):
            context = {"iam:PassedToService": TABLE["takes_roles"][service]}
            yield Call(who, "iam:PassRole", role, tuple(context.items()))


def _resource(prefix: str, row: Json, given: Json) -> str:
    if "at" in row:
        filled = _filled(row["at"], given)
        return filled if filled.startswith("arn:") else f"arn:aws:{prefix}:{HERE}:{filled}"
    for parameters, template in TABLE["resources"].get(prefix, {}).items():
        if all(given.get(name) for name in parameters.split()):
            return _filled(template, given)
    return "*"


def _filled(template: str, given: Json) -> str:
    """The template with what was given in the place of names; `{a|b}` is the first that was."""

    def value(match: re.Match[str]) -> str:
        values = (_found(given, name) for name in match[1].split("|"))
        return next((str(value) for value in values if value), "")

    return re.sub(r"\{([\w.|-]+)\}", value, template)


def _found(given: Json, path: str) -> Any:
    value: Any = given
    for part in path.split(".") if path not in given else [path]:
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _roles(value: object) -> Iterator[str]:
    """Roles that a request hands on: each is the whole of a value somewhere in it."""
    if isinstance(value, str) and ROLE.fullmatch(value):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _roles(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _roles(inner)


def _request(service: str, environ: WSGIEnvironment) -> tuple[str, dict[str, Any]]:
    """The operation and its parameters; of S3 those of path and query only."""
    raw: bytes = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(raw)  # the application reads it again
    if "HTTP_X_AMZ_TARGET" in environ:
        return environ["HTTP_X_AMZ_TARGET"].rpartition(".")[2], json.loads(raw or b"{}")
    if environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
        form = {key: values[0] for key, values in urllib.parse.parse_qs(raw.decode()).items()}
        return form["Action"], form
    # As it was sent: an ARN in a path has its slashes escaped.
    method, path = environ["REQUEST_METHOD"], environ["RAW_URI"].partition("?")[0].rstrip("/")
    query = urllib.parse.parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True)
    headers = {key for key in environ if key.startswith("HTTP_X_AMZ")}
    for route in _routes(service):
        fits = route.method == method and route.query <= set(query) and route.headers <= headers
        if fits and (match := route.path.fullmatch(path)):
            named = {key: urllib.parse.unquote(value) for key, value in match.groupdict().items()}
            body = json.loads(raw) if raw and service != "s3" else {}
            return route.operation, dict(query) | body | named
    raise LookupError(f"{service} {method} {path}?{environ.get('QUERY_STRING', '')}")


@dataclass(frozen=True)
class Route:
    """Method, path, fixed parameters and required headers of a REST operation."""

    operation: str
    method: str
    path: re.Pattern[str]
    query: frozenset[tuple[str, str]]
    headers: frozenset[str]
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
        operation = model.operation_model(name)
        path, _, query = operation.http["requestUri"].partition("?")
        parts = re.split(r"(\{\w+\+?\})", path.rstrip("/"))
        pattern = "".join(
            re.escape(part)
            if not part.startswith("{")
            else f"(?P<{part.strip('{+}')}>{'.+' if '+' in part else '[^/]+'})"
            for part in parts
        )
        fixed = frozenset(urllib.parse.parse_qsl(query, keep_blank_values=True))
        shape = operation.input_shape
        headers = frozenset(
            "HTTP_" + shape.members[member].serialization["name"].upper().replace("-", "_")
            for member in (shape.required_members if shape else ())
            if shape.members[member].serialization.get("location") == "header"
        )
        literal = sum(len(part) for part in parts if not part.startswith("{"))
        routes.append(
            Route(name, operation.http["method"], re.compile(pattern), fixed, headers, literal)
        )
    return sorted(routes, key=lambda r: (-len(r.query), -len(r.headers), -r.literal))
