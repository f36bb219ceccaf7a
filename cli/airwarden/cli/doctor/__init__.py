"""`airwarden doctor`: reaches every configured system and says what it may and may not do there.

Each probe returns findings as data; `report` prints them. A probe changes nothing: permissions to
write are told apart by asking for things that do not exist (403 or 404).
"""
