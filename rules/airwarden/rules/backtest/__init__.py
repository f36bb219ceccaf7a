"""Rules judged on a platform's own past: which pages they would have sent, and what changed ones would have.

History is turned into the series that the exporter would have shown (`past_metrics`), the very rules that
`airwarden build` writes are evaluated over them (`evaluate`), alerts are held and kept as Prometheus does
(`holding`), and routed, grouped, inhibited and repeated as Alertmanager does (`notify`). No I/O.
"""
