"""An outage that burns retries within seconds is paged, and confirmed, within a minute of its beginning."""

from __future__ import annotations

from datetime import timedelta
from importlib import resources

import yaml

from airwarden.core.settings.alerting import Alertmanager, Prometheus
from airwarden.exporters.collectors.broker import BrokerCollector
from airwarden.remediation.playbook import PageWhen, Playbook
from airwarden.rules.catalogue import ALERTS

MINUTE = timedelta(minutes=1)


def test_a_broker_that_is_out_is_paged_and_acted_on_within_a_minute() -> None:
    """Each part of the way, at production's defaults, falls as late as it can."""
    alert = ALERTS["AirflowBrokerDown"]
    monitored = Prometheus(url="http://prometheus:9090")
    seen = timedelta(seconds=BrokerCollector.interval) + monitored.scrape_interval
    told = Alertmanager(url="http://alertmanager:9093").remediator_group_wait
    paged = seen + monitored.evaluation_interval + alert.hold + told
    text = (resources.files("airwarden.remediation") / "playbooks" / "broker-out.yaml").read_text()
    book = Playbook.model_validate(yaml.safe_load(text))
    assert book.page is not None
    assert book.page.when is PageWhen.AT_ONCE
    assert paged <= MINUTE
    assert book.confirm is not None
    assert paged + (book.confirm.times - 1) * book.confirm.every <= MINUTE
