"""What each request does to the store: the API without its HTTP."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from support.kubernetes import patches
from support.kubernetes.controllers import admit
from support.kubernetes.kubelet import is_ready
from support.kubernetes.rbac import User
from support.kubernetes.resources import (
    BY_PATH,
    BY_PLURAL,
    RESOURCES,
    ApiError,
    Json,
    Resource,
    conflict,
)
from support.kubernetes.selectors import fields_match, labels_match, selected
from support.kubernetes.store import Store


@dataclass(frozen=True)
class Place:
    """What a path addresses."""

    resource: Resource
    namespace: str = ""
    name: str = ""
    part: str = ""


@dataclass(frozen=True)
class Request:
    """One request: verb in the words of a Role, what it addresses, its query and body."""

    verb: str
    place: Place
    query: Mapping[str, str]
    body: Any = None
    content_type: str = ""

    @property
    def dry(self) -> bool:
        return self.query.get("dryRun") == "All"


def parse(path: str) -> Place | None:
    """Return what a path addresses; None for none of the API's."""
    parts = [part for part in path.split("/") if part]
    if parts[:2] == ["api", "v1"]:
        group, version, rest = "", "v1", parts[2:]
    elif parts[:1] == ["apis"] and len(parts) >= 3:
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        return None
    namespace = ""
    if len(rest) >= 3 and rest[0] == "namespaces" and (group, version, rest[2]) in BY_PATH:
        namespace, rest = rest[1], rest[2:]
    resource = BY_PATH.get((group, version, rest[0])) if rest else None
    if resource is None or len(rest) > 3:
        return None
    place = Place(resource, namespace, *rest[1:])
    if place.part and place.part not in resource.subresources:
        return None
    return place


def discovery(path: str) -> Json | None:
    """Return what a group offers, as `/apis/GROUP/VERSION` does; None where there is none."""
    told = []
    for one in RESOURCES:
        prefix = f"/apis/{one.api_version}" if one.group else "/api/v1"
        if path.rstrip("/") == prefix:
            told += [{"name": one.plural, "kind": one.kind, "namespaced": one.namespaced}]
    kind = {"kind": "APIResourceList", "apiVersion": "v1"}
    return {**kind, "resources": told} if told else None


class Api:
    """Answers requests from the store.

    Args:
        store: The objects.
        tokens: Token → who it is; TokenRequests add to it.
    """

    def __init__(self, store: Store, tokens: dict[str, User]) -> None:
        self._store, self._tokens = store, tokens
        #: What `pods/log` answers: (namespace, pod) → text.
        self.logs: dict[tuple[str, str], str] = {}

    def answer(self, request: Request) -> tuple[int, Any]:
        """Return code and body; raises ApiError for a `Status` of failure."""
        with self._store.changed:
            special = self._special(request)
            if special is not None:
                return special()
            verbs: Mapping[str, Callable[[Request], tuple[int, Any]]] = {
                "get": self._get,
                "list": self._list,
                "create": self._create,
                "update": self._update,
                "patch": self._patch,
                "delete": self._delete,
            }
            return verbs[request.verb](request)

    def _special(self, request: Request) -> Callable[[], tuple[int, Any]] | None:
        part = request.place.part
        if part == "scale":
            return lambda: self._scale(request)
        if part == "eviction" and request.verb == "create":
            return lambda: self._evict(request)
        if part == "token" and request.verb == "create":
            return lambda: self._token(request)
        if part == "log" and request.verb == "get":
            return lambda: self._log(request)
        return None

    def _get(self, request: Request) -> tuple[int, Json]:
        place = request.place
        return 200, self._store.get(place.resource, place.namespace, place.name)

    def _list(self, request: Request) -> tuple[int, Json]:
        place, query = request.place, request.query
        found = [
            thing
            for thing in self._store.every(place.resource.plural, place.namespace)
            if chosen(thing, query)
        ]
        version, begin = self._store.version, 0
        if query.get("continue"):
            told = json.loads(base64.urlsafe_b64decode(query["continue"]))
            version, begin = told["rv"], told["at"]
            if version < self._store.oldest:
                raise ApiError(
                    410, "Expired", "The provided continue parameter is too old to display a "
                    "consistent list result.",
                )  # fmt: skip
        limit = int(query.get("limit") or 0)
        meta: Json = {"resourceVersion": str(version)}
        if limit and begin + limit < len(found):
            place_of = json.dumps({"rv": version, "at": begin + limit}).encode()
            meta["continue"] = base64.urlsafe_b64encode(place_of).decode()
            meta["remainingItemCount"] = len(found) - begin - limit
        items = found[begin : begin + limit] if limit else found[begin:]
        return 200, {
            "kind": f"{place.resource.kind}List",
            "apiVersion": place.resource.api_version,
            "metadata": meta,
            "items": items,
        }

    def _create(self, request: Request) -> tuple[int, Json]:
        place = request.place
        body = _object(request, place)
        if place.resource.kind == "Pod":
            admit(self._store, place.namespace)
        return 201, self._store.create(place.resource, place.namespace, body, dry_run=request.dry)

    def _update(self, request: Request) -> tuple[int, Json]:
        place = request.place
        body = _object(request, place)
        if body["metadata"].get("name") != place.name:
            raise ApiError(400, "BadRequest", "the name of the object does not match the request")
        return 200, self._store.replace(
            place.resource, place.namespace, place.name, body, part=place.part, dry_run=request.dry
        )

    def _patch(self, request: Request) -> tuple[int, Json]:
        place = request.place
        return 200, self._store.patch(
            place.resource,
            place.namespace,
            place.name,
            lambda seen: patches.apply(
                request.content_type, seen, request.body, custom=place.resource.custom
            ),
            part=place.part,
            dry_run=request.dry,
        )

    def _delete(self, request: Request) -> tuple[int, Json]:
        place, body = request.place, request.body or {}
        wanted = body.get("preconditions") or {}
        grace = body.get("gracePeriodSeconds")
        if grace is None and not body and "gracePeriodSeconds" in request.query:
            grace = int(request.query["gracePeriodSeconds"])  # a body makes the query ignored
        gone = self._store.delete(
            place.resource,
            place.namespace,
            place.name,
            uid=wanted.get("uid"),
            version=wanted.get("resourceVersion"),
            grace=grace,
            dry_run=request.dry or body.get("dryRun") == ["All"],
        )
        return 200, gone

    # ---- subresources --------------------------------------------------------------------------

    def _scale(self, request: Request) -> tuple[int, Json]:
        place = request.place
        seen = self._store.get(place.resource, place.namespace, place.name)
        if request.verb == "get":
            return 200, _scale_of(seen)
        wanted = (
            request.body
            if request.verb == "update"
            else patches.apply(request.content_type, _scale_of(seen), request.body, custom=True)
        )
        replicas = wanted.get("spec", {}).get("replicas", 0)
        version = wanted.get("metadata", {}).get("resourceVersion")
        if version and version != seen["metadata"]["resourceVersion"]:
            why = "the object has been modified; please apply your changes to the latest version"
            raise conflict(place.resource, place.name, why)
        changed = {**seen, "spec": {**seen["spec"], "replicas": replicas}}
        done = self._store.replace(
            place.resource, place.namespace, place.name, changed, dry_run=request.dry
        )
        return 200, _scale_of(done)

    def _evict(self, request: Request) -> tuple[int, Json]:
        place, body = request.place, request.body or {}
        pod = self._store.get(place.resource, place.namespace, place.name)
        options = body.get("deleteOptions") or {}
        wanted = options.get("preconditions") or {}
        if wanted.get("uid") not in (None, pod["metadata"]["uid"]):
            why = f"Precondition failed: UID in precondition: {wanted['uid']}"
            raise conflict(place.resource, place.name, why)
        self._check_budget(place.namespace, pod)
        self._store.delete(
            place.resource,
            place.namespace,
            place.name,
            grace=options.get("gracePeriodSeconds"),
            dry_run=request.dry or options.get("dryRun") == ["All"],
        )
        return 201, {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}

    def _check_budget(self, namespace: str, pod: Json) -> None:
        phase = pod["status"].get("phase")
        if phase in ("Pending", "Succeeded", "Failed") or pod["metadata"].get("deletionTimestamp"):
            return
        labels = pod["metadata"].get("labels") or {}
        for budget in self._store.every("poddisruptionbudgets", namespace):
            spec, told = budget["spec"], budget["status"]
            if not selected(spec.get("selector"), labels) or told["disruptionsAllowed"] > 0:
                continue
            healthy = told["currentHealthy"] >= told["desiredHealthy"] > 0
            always = spec.get("unhealthyPodEvictionPolicy") == "AlwaysAllow"
            if not is_ready(pod) and (always or healthy):
                continue
            name = budget["metadata"]["name"]
            cause = {
                "reason": "DisruptionBudget",
                "message": f"The disruption budget {name} needs {told['desiredHealthy']} healthy pods "
                f"and has {told['currentHealthy']} currently",
            }
            raise ApiError(
                429,
                "TooManyRequests",
                "Cannot evict pod as it would violate the pod's disruption budget.",
                details={"causes": [cause]},
            )

    def _token(self, request: Request) -> tuple[int, Json]:
        place = request.place
        self._store.get(place.resource, place.namespace, place.name)
        token = secrets.token_urlsafe(24)
        name = f"system:serviceaccount:{place.namespace}:{place.name}"
        self._tokens[token] = User(name, (place.namespace, place.name))
        return 201, {**request.body, "status": {"token": token}}

    def _log(self, request: Request) -> tuple[int, str]:
        place = request.place
        self._store.get(place.resource, place.namespace, place.name)
        return 200, self.logs.get((place.namespace, place.name), "")


def _object(request: Request, place: Place) -> Json:
    body = request.body
    if not isinstance(body, dict) or not isinstance(body.get("metadata"), dict):
        raise ApiError(400, "BadRequest", "the body is no object")
    if body.get("kind") not in (None, place.resource.kind):
        raise ApiError(400, "BadRequest", f"{body.get('kind')} is not {place.resource.kind}")
    return body


def _scale_of(thing: Json) -> Json:
    meta, spec = thing["metadata"], thing["spec"]
    labels = (spec.get("selector") or {}).get("matchLabels") or {}
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {key: meta[key] for key in kept},
        "spec": {"replicas": spec["replicas"]},
        "status": {
            "replicas": thing["status"].get("replicas", 0),
            "selector": ",".join(f"{k}={v}" for k, v in sorted(labels.items())),
        },
    }


def chosen(thing: Json, query: Mapping[str, str]) -> bool:
    """Return whether an object is among those that a query selects."""
    labels = thing["metadata"].get("labels") or {}
    if query.get("labelSelector") and not labels_match(query["labelSelector"], labels):
        return False
    return not query.get("fieldSelector") or fields_match(query["fieldSelector"], thing)


NAMESPACES = BY_PLURAL["namespaces"]
