"""Who a token is, and what Roles allow: read from the objects of the cluster itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from support.kubernetes.resources import ApiError, Json
from support.kubernetes.store import Store


@dataclass(frozen=True)
class User:
    """Who asks. `account` is (namespace, name) of a ServiceAccount."""

    name: str
    account: tuple[str, str] | None = None
    master: bool = False


@dataclass(frozen=True)
class Asked:
    """What is asked for, in the words of a Role."""

    verb: str
    group: str
    resource: str
    namespace: str
    name: str = ""


def authorize(store: Store, user: User, asked: Asked) -> None:
    """Raise ApiError 403 unless a Role that is bound to the user allows it."""
    if user.master or any(_allows(rule, asked) for rule in _rules(store, user, asked.namespace)):
        return
    where = f' in the namespace "{asked.namespace}"' if asked.namespace else " at the cluster scope"
    one = f'"{asked.name}" ' if asked.name else ""
    raise ApiError(
        403,
        "Forbidden",
        f'{asked.resource}.{asked.group} {one}is forbidden: User "{user.name}" cannot {asked.verb} '
        f'resource "{asked.resource}" in API group "{asked.group}"{where}',
    )


def _rules(store: Store, user: User, namespace: str) -> Iterator[Json]:
    for binding in store.every("rolebindings", namespace) if namespace else ():
        mine = any(
            subject["kind"] == "ServiceAccount"
            and (subject.get("namespace", namespace), subject["name"]) == user.account
            for subject in binding.get("subjects") or ()
        )
        role = store.find("roles", namespace, binding["roleRef"]["name"]) if mine else None
        yield from (role or {}).get("rules") or ()


def _allows(rule: Json, asked: Asked) -> bool:
    names = rule.get("resourceNames")
    return (
        _among(asked.verb, rule.get("verbs"))
        and _among(asked.group, rule.get("apiGroups"))
        and _among(asked.resource, rule.get("resources"))
        and (not names or asked.name in names)
    )


def _among(word: str, words: list[str] | None) -> bool:
    return word in (words or ()) or "*" in (words or ())
