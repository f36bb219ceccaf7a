"""Decisions, and nothing but decisions: pure functions over values, no I/O, no clock of their own.

The engine gathers facts, asks here, and writes the answer with its reason into the journal.
"""
