"""The errors that this package raises on purpose: one base class, transient and terminal ones."""

from __future__ import annotations


class LakehouseError(Exception):
    """Base of every error whose message is meant for a person, and says what to do."""


class TransientError(LakehouseError):
    """Something that may pass by itself (a broker restarts): the caller may try again."""


class OutageError(TransientError):
    """Something outside is away (a store, a disk, Java): what runs without end waits for it."""


class TerminalError(LakehouseError):
    """Something that will not pass by itself: the command stops and a person decides."""


class UsageError(TerminalError):
    """What was asked for names something that there is not: it cannot be meant."""


class RefusedError(TerminalError):
    """What was asked for is not done because records or history might suffer: a person decides."""
