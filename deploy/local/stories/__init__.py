"""Stories on the local platform: a fault, what Airwarden makes of it, and how it must end.

`make demo` tells them with a live timeline; the acceptance tests run the same ones. Everything here
looks at the platform from outside (its APIs, its database, what the fake Slack and PagerDuty
received): a story never asks Airwarden's code what it thinks.
"""
