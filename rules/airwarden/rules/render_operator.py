"""Alertmanager's configuration as the Prometheus Operator takes it: an AlertmanagerConfig.

Two things differ from the file. Secrets are keys of a Secret beside it, named as the files are. And the
operator adds to every route and inhibition that the alert's label `namespace` is the object's own: our
alerts are about a cluster and carry none, so the operator's rules are given it (`in_namespace`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from airwarden.core.errors import WrongInputError
from airwarden.rules.model import Rules
from airwarden.rules.routing import parse_conditions
from airwarden.rules.subtree import subtree

#: Key of the Secret with Slack's address, where the token is sent to it; only a Secret can hold it.
SLACK_ADDRESS = "slack-api-url"
#: What the operator's usual Helm chart selects AlertmanagerConfigs and rules by.
LABELS = {"app.kubernetes.io/name": "airwarden", "release": "kube-prometheus-stack"}

_TIMES = ("group_wait", "group_interval", "repeat_interval")


def alertmanager_object(rules: Rules, namespace: str, secret: str) -> dict[str, Any]:
    """Return the AlertmanagerConfig.

    Args:
        rules: The installation's.
        namespace: In which it and the Secret stand.
        secret: The Secret's name.

    Raises:
        WrongInputError: The hours of a route are told in a time zone, which the object has no field for.
    """
    part = subtree(rules)
    intervals = [_interval(one) for one in part.get("time_intervals", ())]
    return {
        "apiVersion": "monitoring.coreos.com/v1alpha1",
        "kind": "AlertmanagerConfig",
        "metadata": {"name": "airwarden", "namespace": namespace, "labels": LABELS},
        "spec": {
            "route": _route(part["route"]),
            "receivers": [_receiver(one, secret) for one in part["receivers"]],
            "inhibitRules": [_inhibition(one) for one in part["inhibit_rules"]],
            **({"muteTimeIntervals": intervals} if intervals else {}),
        },
    }


def in_namespace(group: Mapping[str, Any], namespace: str) -> dict[str, Any]:
    """Return a rule group whose alerts carry the label that the operator's routes ask for."""
    marked = [
        {**rule, "labels": {**rule.get("labels", {}), "namespace": namespace}}
        if "alert" in rule
        else rule
        for rule in group["rules"]
    ]
    return {**group, "rules": marked}


def _matchers(node: Mapping[str, Any], kind: str = "") -> list[dict[str, str]]:
    # Equality is what the object means without a word, and a bare = is not YAML to every reader.
    return [
        {
            "name": one.label,
            "value": one.value,
            **({} if one.operator == "=" else {"matchType": one.operator}),
        }
        for one in parse_conditions(node, kind, "airwarden")
    ]


def _route(node: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"receiver": node["receiver"]} if "receiver" in node else {}
    if matchers := _matchers(node):
        found["matchers"] = matchers
    if "group_by" in node:
        found["groupBy"] = list(node["group_by"])
    found |= {_camel(key): node[key] for key in _TIMES if key in node}
    for key in ("active_time_intervals", "mute_time_intervals"):
        if key in node:
            found[_camel(key)] = list(node[key])
    if "routes" in node:
        found["routes"] = [_route(below) for below in node["routes"]]
    return found


def _inhibition(rule: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "sourceMatch": _matchers(rule, "source"),
        "targetMatch": _matchers(rule, "target"),
        **({"equal": list(rule["equal"])} if "equal" in rule else {}),
    }


def _interval(one: Mapping[str, Any]) -> dict[str, Any]:
    written = []
    for part in one["time_intervals"]:
        if part.get("location", "UTC") != "UTC":
            raise WrongInputError(
                f"{one['name']} is told in {part['location']}, and an AlertmanagerConfig knows UTC only",
                place="notifications",
                hint="write the hours in UTC, or use `airwarden build --only alertmanager-subtree`",
            )
        times = [{_camel(key): value for key, value in time.items()} for time in part["times"]]
        written.append({"times": times, "weekdays": list(part["weekdays"])})
    return {"name": one["name"], "timeIntervals": written}


def _receiver(receiver: Mapping[str, Any], secret: str) -> dict[str, Any]:
    found: dict[str, Any] = {"name": receiver["name"]}
    for kind in ("webhook_configs", "pagerduty_configs", "slack_configs"):
        if kind in receiver:
            found[_camel(kind)] = [_sender(one, secret) for one in receiver[kind]]
    return found


def _sender(sender: Mapping[str, Any], secret: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in sender.items():
        if key == "http_config":
            found["httpConfig"] = _http(value, secret)
        elif key == "routing_key_file":
            found["routingKey"] = _key(value, secret)
        elif key == "api_url_file":
            found["apiURL"] = _key(value, secret)
        elif key == "api_url":
            found["apiURL"] = {"name": secret, "key": SLACK_ADDRESS}
        elif key == "details":
            found["details"] = [{"key": name, "value": text} for name, text in value.items()]
        else:
            found[{"client_url": "clientURL"}.get(key, _camel(key))] = value
    return found


def _http(config: Mapping[str, Any], secret: str) -> dict[str, Any]:
    authorization = config["authorization"]
    found: dict[str, Any] = {
        "authorization": {
            "type": authorization["type"],
            "credentials": _key(authorization["credentials_file"], secret),
        }
    }
    tls = config.get("tls_config", {})
    if "ca_file" in tls:
        found["tlsConfig"] = {"ca": {"secret": _key(tls["ca_file"], secret)}}
    return found


def _key(file: str, secret: str) -> dict[str, str]:
    return {"name": secret, "key": PurePosixPath(file).name}


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)
