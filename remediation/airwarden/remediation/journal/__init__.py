"""The journal: every alert, decision, intent and result, durable before anything follows from it."""
