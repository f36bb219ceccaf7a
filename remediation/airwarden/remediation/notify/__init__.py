"""Turns an incident into what Slack and PagerDuty are sent. Pure: no I/O, and no secret gets through."""
