"""What a message must name, whatever its wording is."""

from __future__ import annotations


def assert_names(message: object, *facts: str) -> None:
    """Assert that each of ``facts`` stands in the text of ``message``: an exception, or a string."""
    text = str(message)
    missing = [fact for fact in facts if fact not in text]
    assert missing == [], text
