"""The objects, one counter of versions, and the history that watches read.

Everything happens under one lock: a request sees the world between two changes.
"""

from __future__ import annotations

import copy
import itertools
import random
import re
import string
import threading
import uuid
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from support.kubernetes.resources import (
    BY_PLURAL,
    ApiError,
    Json,
    Resource,
    conflict,
    not_found,
    qualified,
)
from support.kubernetes.validation import validate

_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")


@dataclass(frozen=True)
class Change:
    """One entry of the history.

    Attributes:
        kind: `ADDED`, `MODIFIED` or `DELETED`.
        before: The object as it was before, for selectors that it left by changing.
    """

    version: int
    kind: str
    resource: Resource
    thing: Json
    before: Json | None = None


def now() -> str:
    """Return the time as the API writes it: whole seconds."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Store:
    """All objects of the cluster.

    Args:
        settle: Called after each change, under the lock: what controllers do about it.
        kept: Changes that the history holds.
    """

    def __init__(self, settle: Callable[[], None], *, kept: int = 5000) -> None:
        self.changed = threading.Condition(threading.RLock())
        self._settle = settle
        self._objects: dict[str, dict[tuple[str, str], Json]] = {p: {} for p in BY_PLURAL}
        self._history: deque[Change] = deque(maxlen=kept)
        self._settling = False
        self.version = 100
        self.oldest = 100

    # ---- reading -------------------------------------------------------------------------------

    def find(self, plural: str, namespace: str, name: str) -> Json | None:
        """Return the object itself, or None."""
        return self._objects[plural].get((namespace, name))

    def get(self, resource: Resource, namespace: str, name: str) -> Json:
        """Return a copy; raises ApiError 404."""
        found = self.find(resource.plural, namespace, name)
        if found is None:
            raise not_found(resource, name)
        return copy.deepcopy(found)

    def every(self, plural: str, namespace: str = "") -> list[Json]:
        """Return the objects of a kind, of one namespace or of all, in the order of their names."""
        found = sorted(self._objects[plural].items(), key=lambda item: item[0])
        return [thing for (space, _), thing in found if namespace in ("", space)]

    def since(self, version: int, resource: Resource) -> Iterator[Change]:
        """Return the later changes of a kind; raises ApiError 410 where the history is shorter."""
        if version < self.oldest:
            raise ApiError(410, "Expired", f"too old resource version: {version} ({self.oldest})")
        return (c for c in tuple(self._history) if c.version > version and c.resource == resource)

    def expire(self) -> None:
        """Forget all history, as compaction does."""
        with self.changed:
            self.version += 1  # so that no version that anybody holds is the newest
            self.oldest = self.version
            self._history.clear()

    # ---- writing -------------------------------------------------------------------------------

    def create(
        self, resource: Resource, namespace: str, thing: Json, *, dry_run: bool = False
    ) -> Json:
        """Store a new object; raises ApiError 409 where there is one of the name."""
        made = copy.deepcopy(thing)
        meta = made.setdefault("metadata", {})
        if not meta.get("name") and meta.get("generateName"):
            meta["name"] = meta["generateName"] + suffix()
        name = str(meta.get("name", ""))
        self._check_new(resource, namespace, name, meta)
        if resource.namespaced:
            meta["namespace"] = namespace
        made.update(apiVersion=resource.api_version, kind=resource.kind)
        meta.update(uid=str(uuid.uuid4()), creationTimestamp=now())
        if resource.has_status:
            meta["generation"] = 1
            # A status in a creation is dropped, but that of a pod begins as Pending.
            made["status"] = {"phase": "Pending"} if resource.kind == "Pod" else {}
        validate(resource, made)
        if dry_run:
            return made
        return self._write("ADDED", resource, made, None)

    def _check_new(self, resource: Resource, namespace: str, name: str, meta: Json) -> None:
        if not _NAME.fullmatch(name):
            raise ApiError(422, "Invalid", f'{resource.kind} "{name}" is invalid: metadata.name')
        if resource.namespaced and meta.get("namespace", namespace) != namespace:
            raise ApiError(
                400, "BadRequest", "the namespace of the provided object does not match the request"
            )
        space = self.find("namespaces", "", namespace) if resource.namespaced else {"metadata": {}}
        if space is None:
            raise not_found(BY_PLURAL["namespaces"], namespace)
        if space["metadata"].get("deletionTimestamp"):
            raise ApiError(403, "Forbidden", f"namespace {namespace} is being terminated")
        if self.find(resource.plural, namespace if resource.namespaced else "", name):
            details = {"name": name, "group": resource.group, "kind": resource.plural}
            message = f'{qualified(resource)} "{name}" already exists'
            raise ApiError(409, "AlreadyExists", message, details=details)

    def replace(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        wanted: Json,
        *,
        part: str = "",
        dry_run: bool = False,
    ) -> Json:
        """Write an object anew; with `part` its status alone, without it all but the status.

        Raises:
            ApiError: 409 where the version or uid that it carries is not the present one.
        """
        seen = self.get(resource, namespace, name)
        made = copy.deepcopy(wanted)
        meta, old = made.setdefault("metadata", {}), seen["metadata"]
        if meta.get("resourceVersion") not in (None, "", old["resourceVersion"]):
            raise conflict(
                resource, name, "the object has been modified; please apply your changes to the "
                "latest version and try again",
            )  # fmt: skip
        if meta.get("uid") not in (None, "", old["uid"]):
            raise conflict(
                resource, name, f"Precondition failed: UID in precondition: {meta['uid']}"
            )
        if part == "status":
            made = {**seen, "status": made.get("status", {})}
        elif resource.has_status:
            made["status"] = seen.get("status", {})
        meta = made["metadata"] = {**made["metadata"]}
        for kept in ("uid", "creationTimestamp", "namespace", "name", "generation"):
            if kept in old:
                meta[kept] = old[kept]
        for kept in ("deletionTimestamp", "deletionGracePeriodSeconds"):
            meta.pop(kept, None)
            if kept in old:
                meta[kept] = old[kept]
        made.update(apiVersion=resource.api_version, kind=resource.kind)
        if resource.has_status and made.get("spec") != seen.get("spec"):
            meta["generation"] = old["generation"] + 1
        validate(resource, made)
        meta["resourceVersion"] = old["resourceVersion"]
        if dry_run or made == seen:
            return made  # what changes nothing is not written: the version stays
        if meta.get("deletionTimestamp") and not meta.get("finalizers"):
            return self._remove(resource, namespace, name)
        return self._write("MODIFIED", resource, made, seen)

    def patch(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        change: Callable[[Json], Json],
        *,
        part: str = "",
        dry_run: bool = False,
    ) -> Json:
        """Read, change and write in one step."""
        seen = self.get(resource, namespace, name)
        return self.replace(resource, namespace, name, change(seen), part=part, dry_run=dry_run)

    def delete(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        *,
        uid: str | None = None,
        version: str | None = None,
        grace: int | None = None,
        dry_run: bool = False,
    ) -> Json:
        """Delete, or mark as being deleted what has a finalizer or runs on a node.

        Raises:
            ApiError: 409 where it is not the one of the preconditions.
        """
        seen = self.get(resource, namespace, name)
        meta = seen["metadata"]
        if uid is not None and uid != meta["uid"]:
            why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {meta['uid']}"
            raise conflict(resource, name, why)
        if version is not None and version != meta["resourceVersion"]:
            raise conflict(resource, name, f"Precondition failed: resourceVersion {version}")
        spec = seen.get("spec", {})
        if resource.kind == "Pod" and grace is None:
            grace = spec.get("terminationGracePeriodSeconds", 30)
        runs = resource.kind == "Pod" and spec.get("nodeName") and grace != 0
        if dry_run:
            return seen
        if not meta.get("finalizers") and not runs:
            return self._remove(resource, namespace, name)
        if not meta.get("deletionTimestamp"):
            marked = copy.deepcopy(seen)
            marked["metadata"].update(
                deletionTimestamp=now(), deletionGracePeriodSeconds=grace if runs else 0
            )
            return self._write("MODIFIED", resource, marked, seen)
        return seen

    def _remove(self, resource: Resource, namespace: str, name: str) -> Json:
        gone = self._objects[resource.plural].pop((namespace, name))
        self._record("DELETED", resource, gone, None)
        rest, self._settling = self._settling, True  # controllers see it when all of it is gone
        for plural, things in self._objects.items():  # what it owned goes with it
            for (space, inside), thing in list(things.items()):
                owners = thing["metadata"].get("ownerReferences") or ()
                within = resource.kind == "Namespace" and space == name
                owned = any(one["uid"] == gone["metadata"]["uid"] for one in owners)
                if (within or owned) and (space, inside) in things:
                    self.delete(BY_PLURAL[plural], space, inside, grace=0 if within else None)
        self._settling = rest
        self.settle()
        return copy.deepcopy(gone)

    def _write(self, kind: str, resource: Resource, thing: Json, before: Json | None) -> Json:
        meta = thing["metadata"]
        self._objects[resource.plural][meta.get("namespace", ""), meta["name"]] = thing
        self._record(kind, resource, thing, before)
        self.settle()
        return copy.deepcopy(thing)

    def _record(self, kind: str, resource: Resource, thing: Json, before: Json | None) -> None:
        with self.changed:
            self.version += 1
            thing["metadata"]["resourceVersion"] = str(self.version)
            if len(self._history) == self._history.maxlen:
                self.oldest = self._history[0].version
            self._history.append(Change(self.version, kind, resource, copy.deepcopy(thing), before))
            self.changed.notify_all()

    def settle(self) -> None:
        """Let the controllers do what is left to do; never within themselves."""
        if self._settling:
            return
        self._settling = True
        try:
            for _ in itertools.repeat(None, 1000):
                before = self.version
                self._settle()
                if self.version == before:
                    return
            raise AssertionError("the controllers never come to rest")
        finally:
            self._settling = False


def suffix(length: int = 5) -> str:
    """Return the random end of a generated name."""
    return "".join(random.choices(string.ascii_lowercase + string.digits, k=length))


def owner_of(thing: Json) -> Any:
    """Return the controller among an object's owners, or an empty one."""
    owners = thing["metadata"].get("ownerReferences") or ()
    return next((one for one in owners if one.get("controller")), {})
