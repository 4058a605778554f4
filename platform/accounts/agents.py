"""A User-Agent in words: good enough to recognise one's own devices, never to decide by."""

from __future__ import annotations

BROWSERS = (("Edg/", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("Safari/", "Safari"))
SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)
MOBILE = frozenset({"iPhone", "iPad", "Android"})


def name(agent: str) -> str:
    """ "Firefox, Linux"; for programs their own first word; "" for nothing."""
    found = [next((name for mark, name in marks if mark in agent), "") for marks in (BROWSERS, SYSTEMS)]
    return ", ".join(part for part in found if part) or agent.partition(" ")[0][:60]


def is_mobile(agent: str) -> bool:
    return any(system in agent for system in MOBILE)
