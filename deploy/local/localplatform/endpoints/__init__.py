"""Local stand-ins for PagerDuty and Slack: they judge what they get as the real ones do, and keep it.

Nothing here notifies anybody. `python -m localplatform.endpoints --port N --record FILE` serves both
on loopback; `GET /_received` returns what came in, `POST /_demand` makes the next answers fail.
"""
