"""What the documents show, for the tests that run it."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def text_of(page: str) -> str:
    return (ROOT / "docs" / page).read_text()


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)


def commands(text: str) -> list[str]:
    """Each command line of the shell blocks, its comment left out."""
    lines = [line for block in blocks(text, "bash") for line in block.splitlines()]
    return [line.partition("   #")[0].strip() for line in lines if line.strip()]
