"""The few things that landing asks of a file system or an object store, and no more.

Paths are relative to the root. A file appears whole or not at all, under its final name. What a
file system or a store complains of is told here as an error of ours, transient or terminal.
"""

from __future__ import annotations

import errno
import functools
import os
import posixpath
import shutil
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, Protocol

from ingestion.errors import LakehouseError, OutageError, TerminalError

# Requests to a store at a time; boto3 keeps ten connections.
AT_ONCE = 8
# What is being written on a disk, and what is being removed, lies in this folder of the root.
_TEMPORARY = ".temporary"
# No file takes longer to be written: what is older was left by a process that was killed.
_LEFT_BEHIND_SECONDS = 3600.0
# A conflict ends in milliseconds.
_CONFLICTS = 8
# Answers of S3 that waiting does not change.
_REFUSALS = {"AccessDenied", "403", "NoSuchBucket", "InvalidAccessKeyId", "SignatureDoesNotMatch"}


class Storage(Protocol):
    """A folder on disk or a prefix of a bucket.

    Each call may raise OutageError, when the disk or the store is full or away, and TerminalError,
    when it refuses.
    """

    @property
    def uri(self) -> str:
        """The root as Spark understands it: an absolute path or `s3a://bucket/prefix`."""

    def list_files(self, folder: str, after: str = "") -> list[str]:
        """All files under `folder`, sorted bytewise, those up to and including `after` left out."""

    def read(self, path: str) -> bytes:
        """The content of `path`; FileNotFoundError when there is none."""

    def tail(self, path: str, size: int) -> bytes:
        """The last `size` bytes of `path`, or all of it when it is shorter."""

    def modified_at(self, path: str) -> float:
        """When `path` appeared, in seconds since 1970."""

    def size(self, path: str) -> int:
        """How many bytes `path` has."""

    def fetch(self, path: str) -> IO[bytes]:
        """The content of `path` as an open file of this machine, gone when it is closed."""

    def put(self, path: str, content: bytes) -> None:
        """Write `path`, replacing it whole."""

    def put_file(self, source: IO[bytes], path: str) -> None:
        """Write `path` with what is left to read of `source`; it appears whole."""

    def put_if_absent(self, path: str, content: bytes) -> bool:
        """Write `path` unless it exists; False when it did. Decided by the store, atomically."""

    def publish(self, staged: str, path: str) -> None:
        """Make the staged file visible as `path`, whole, and remove the staged one.

        Raises:
            FileNotFoundError: the staged file is gone: whoever took over has removed it.
        """

    def delete(self, path: str) -> None:
        """Remove `path` if it exists."""

    def delete_folder(self, folder: str) -> None:
        """Remove `folder` with all that is in it."""


def _in_our_words(kind: type[Any]) -> type[Any]:
    """The class `kind` of storage, of which each call raises errors of ours."""

    def told(call: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(call)
        def explain(self: Storage, *arguments: Any, **options: Any) -> Any:
            try:
                return call(self, *arguments, **options)
            except (FileNotFoundError, LakehouseError):
                raise
            except OSError as error:
                raise of_system(error, self.uri) from error
            except Exception as error:
                if not type(error).__module__.startswith(("boto", "s3transfer", "urllib3")):
                    raise
                raise _of_store(error, self.uri) from error

        return explain

    for name, call in vars(Storage).items():
        if callable(call) and not name.startswith("_"):
            setattr(kind, name, told(getattr(kind, name)))
    return kind


def of_system(error: OSError, where: str) -> LakehouseError:
    """What the system complains of, as an error of ours that passes or does not."""
    place = error.filename or where
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return OutageError(
            f"the disk is full ({error.strerror}: {where}): make room. What is in hand was not "
            "landed, and nothing is lost"
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return TerminalError(
            f"{place}: {error.strerror}. Give the user that runs this the right to read and write "
            f"in {where}; nothing is lost."
        )
    return OutageError(f"{place} cannot be reached or written: {error.strerror or error}")


def _of_store(error: Exception, where: str) -> LakehouseError:
    answer = (getattr(error, "response", None) or {}).get("Error", {})
    if answer.get("Code") in _REFUSALS:
        return TerminalError(
            f"the store refuses {where}: {error}. See the bucket's name and the rights of this "
            "role (docs/landing.md); nothing is lost."
        )
    return OutageError(f"the store of {where} does not answer as it should: {error}")


@_in_our_words
class _LocalStorage:
    """A folder of this machine. Crash safety: content is on disk before its name is."""

    def __init__(self, root: Path, *, make: bool) -> None:
        # Java would take `..` off by the text of the path, the kernel follows the links before it.
        self._root = Path(os.path.realpath(root))
        if not make:
            return
        try:
            self._root.mkdir(parents=True, exist_ok=True)
            for left in [*self._root.glob(f"{_TEMPORARY}/*")]:
                if time.time() - left.lstat().st_mtime > _LEFT_BEHIND_SECONDS:
                    _remove(left)
        except FileNotFoundError:
            pass  # somebody else removes them too
        except OSError as error:
            raise TerminalError(f"the folder {root} cannot be made: {error}") from error

    @property
    def uri(self) -> str:
        return str(self._root)

    def list_files(self, folder: str, after: str = "") -> list[str]:
        root = len(str(self._root)) + 1
        found = [
            f"{where}/{name}"[root:]
            for where, _, names in os.walk(self._root / folder, onerror=self._not_listed)
            for name in names
        ]
        return sorted(path for path in found if path > after and "/." not in f"/{path}")

    def _not_listed(self, error: OSError) -> None:
        """What os.walk does about a folder that it cannot list: one that is gone has no files."""
        if not isinstance(error, FileNotFoundError) or not self._root.is_dir():
            raise of_system(error, str(self._root)) from error

    def read(self, path: str) -> bytes:
        return (self._root / path).read_bytes()

    def tail(self, path: str, size: int) -> bytes:
        with (self._root / path).open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - size))
            return file.read()

    def modified_at(self, path: str) -> float:
        return (self._root / path).stat().st_mtime

    def size(self, path: str) -> int:
        return (self._root / path).stat().st_size

    def fetch(self, path: str) -> IO[bytes]:
        return (self._root / path).open("rb")

    def put_file(self, source: IO[bytes], path: str) -> None:
        temporary = self._temporary()
        with temporary.open("wb") as file:
            shutil.copyfileobj(source, file)
        self.publish(f"{_TEMPORARY}/{temporary.name}", path)

    def put(self, path: str, content: bytes) -> None:
        temporary, target = self._written(content), self._target(path)
        temporary.replace(target)
        _sync_folder(target.parent)

    def put_if_absent(self, path: str, content: bytes) -> bool:
        temporary, target = self._written(content), self._target(path)
        try:
            os.link(temporary, target)
        except FileExistsError:
            return False
        finally:
            temporary.unlink()
        _sync_folder(target.parent)
        return True

    def publish(self, staged: str, path: str) -> None:
        source, target = self._root / staged, self._target(path)
        with source.open("rb") as file:
            os.fsync(file.fileno())
        source.replace(target)
        _sync_folder(target.parent)

    def delete(self, path: str) -> None:
        (self._root / path).unlink(missing_ok=True)

    def delete_folder(self, folder: str) -> None:
        if (self._root / folder).is_dir():
            # Moved away first: a paused writer that wakes up finds nothing there, at one instant.
            doomed = self._temporary()
            (self._root / folder).rename(doomed)
            _remove(doomed)

    def _target(self, path: str) -> Path:
        """Where `path` is, in a folder that is there."""
        target = self._root / path
        if not self._root.is_dir():
            # Making it anew would hide the disk that is to come back.
            raise OutageError(f"the folder {self._root} is away")
        target.parent.mkdir(parents=True, exist_ok=True)
        return target

    def _temporary(self) -> Path:
        """The path of a new file or folder that nobody lists."""
        return self._target(f"{_TEMPORARY}/{uuid.uuid4().hex}")

    def _written(self, content: bytes) -> Path:
        temporary = self._temporary()
        try:
            with temporary.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
        return temporary


@_in_our_words
class _S3Storage:
    """A prefix of a bucket. An object appears whole; put-if-absent is `If-None-Match: *`."""

    def __init__(self, bucket: str, prefix: str, client: Any) -> None:
        self._bucket = bucket
        self._prefix = prefix.strip("/")
        self._s3 = client

    @property
    def uri(self) -> str:
        return f"s3a://{self._bucket}/{self._prefix}".rstrip("/")

    def list_files(self, folder: str, after: str = "") -> list[str]:
        # S3A marks folders with objects whose key ends with a slash.
        return sorted(path for path in self._list(f"{folder}/", after) if not path.endswith("/"))

    def _list(self, prefix: str, after: str = "") -> Iterator[str]:
        more = {"StartAfter": self._key(after)} if after else {}
        pages = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=self._key(prefix), **more
        )
        start = len(self._prefix) + 1 if self._prefix else 0
        for page in pages:
            for item in page.get("Contents", []):
                yield item["Key"][start:]

    def read(self, path: str) -> bytes:
        return self._get(path)

    def tail(self, path: str, size: int) -> bytes:
        return self._get(path, Range=f"bytes=-{size}")

    def _get(self, path: str, **options: str) -> bytes:
        try:
            answer = self._s3.get_object(Bucket=self._bucket, Key=self._key(path), **options)
        except self._s3.exceptions.NoSuchKey as error:
            raise FileNotFoundError(f"{self.uri}/{path}") from error
        content: bytes = answer["Body"].read()
        return content

    def modified_at(self, path: str) -> float:
        answer = self._s3.head_object(Bucket=self._bucket, Key=self._key(path))
        modified: float = answer["LastModified"].timestamp()
        return modified

    def size(self, path: str) -> int:
        answer = self._s3.head_object(Bucket=self._bucket, Key=self._key(path))
        size: int = answer["ContentLength"]
        return size

    def fetch(self, path: str) -> IO[bytes]:
        # It has no name: whatever ends the process, nothing of it stays.
        file = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
        self._s3.download_fileobj(self._bucket, self._key(path), file)
        file.seek(0)
        return file

    def put_file(self, source: IO[bytes], path: str) -> None:
        # In parts where it is large; the object appears when the last part is completed.
        self._s3.upload_fileobj(source, self._bucket, self._key(path))

    def put(self, path: str, content: bytes) -> None:
        self._s3.put_object(Bucket=self._bucket, Key=self._key(path), Body=content)

    def put_if_absent(self, path: str, content: bytes) -> bool:
        object_, token = {"Bucket": self._bucket, "Key": self._key(path)}, uuid.uuid4().hex
        refused = self._s3.exceptions.ClientError
        for attempt in range(_CONFLICTS):
            try:
                self._s3.put_object(
                    **object_, Body=content, IfNoneMatch="*", Metadata={"attempt": token}
                )
                return True
            except refused as error:
                code = error.response["Error"]["Code"]
                if code == "PreconditionFailed":
                    # A repeated request whose first answer was lost finds its own object. Only the
                    # token tells: another's may well have the same content.
                    try:
                        found = self._s3.head_object(**object_)["Metadata"]
                    except refused as gone:
                        if gone.response["Error"]["Code"] != "404":
                            raise
                        continue  # removed meanwhile
                    return bool(found.get("attempt") == token)
                if code != "ConditionalRequestConflict":
                    raise
                # Another conditional request for the key was under way: AWS asks to repeat it.
                time.sleep(0.05 * 2**attempt)
        raise OutageError(f"the store lets nobody write {self.uri}/{path}: conflict after conflict")

    def publish(self, staged: str, path: str) -> None:
        source, key = {"Bucket": self._bucket, "Key": self._key(staged)}, self._key(path)
        try:
            # One server-side copy: the object appears whole under its final name.
            self._s3.copy_object(Bucket=self._bucket, Key=key, CopySource=source)
        except self._s3.exceptions.ClientError as error:
            code = error.response["Error"]["Code"]
            if code in ("NoSuchKey", "404"):
                raise FileNotFoundError(f"{self.uri}/{staged}") from error
            if code != "InvalidRequest":
                raise
            # Above 5 GB S3 copies in parts only; it too appears whole, with the last one.
            self._s3.copy(source, self._bucket, key)
        self._s3.delete_object(**source)

    def delete(self, path: str) -> None:
        self._s3.delete_object(Bucket=self._bucket, Key=self._key(path))

    def delete_folder(self, folder: str) -> None:
        for path in self._list(f"{folder}/"):
            self.delete(path)

    def _key(self, path: str) -> str:
        return f"{self._prefix}/{path}" if self._prefix else path


def open_storage(location: str, *, make: bool = True) -> Storage:
    """The storage at `location`: a folder, or an `s3a://` (or `s3://`) URI.

    Who does not `make` the folder changes nothing by opening it.
    The S3 client follows the environment (AWS_ENDPOINT_URL, credentials, region).

    Raises:
        TerminalError: it is neither, a URI that means another prefix to Spark than to S3, or one
            that readers take for a pattern.
    """
    if found := set("'*?[]{}") & set(location):
        raise TerminalError(
            f"{location}: no landing zone or folder above it has {' '.join(sorted(found))} in its "
            "name, which DuckDB, dbt or Spark would read as a pattern; set LAKEHOUSE_LANDING"
        )
    for scheme in ("s3a://", "s3://"):
        if location.startswith(scheme):
            import boto3
            from botocore.config import Config

            bucket, _, prefix = location.removeprefix(scheme).rstrip("/").partition("/")
            for_java = posixpath.normpath(f"/{prefix.lstrip('/')}")
            if f"/{prefix}" != for_java:
                raise TerminalError(
                    f"{location}: Spark takes it for {scheme}{bucket}{for_java}, while S3 and "
                    "Redshift know no doubled slash, `.` or `..`: they are other keys. Write it "
                    "without; docs/runbooks/operations.md says what to do where landing has run."
                )
            # A store that is away is noticed in seconds; whoever can wait tries again.
            config = Config(
                connect_timeout=5, retries={"mode": "standard", "total_max_attempts": 3}
            )
            opened: Storage = _S3Storage(bucket, prefix, boto3.client("s3", config=config))
            return opened
    if location.startswith("file:") and not location.startswith("file:///"):
        raise TerminalError(f"{location}: write a folder as its path, or as file:///path")
    if "://" in location and not location.startswith("file://"):
        raise TerminalError(f"{location}: a landing zone is a folder or an s3a:// URI")
    folder: Storage = _LocalStorage(Path(location.removeprefix("file://")), make=make)
    return folder


def _remove(path: Path) -> None:
    """Remove a file or a folder as far as it can be removed."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
