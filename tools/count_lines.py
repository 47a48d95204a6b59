"""Lines of Python code without docstrings, comments and blanks: `make lines` (ARGS: folders).

`--revision REVISION` counts in that git revision, so that one can tell what became of a folder.
"""

from __future__ import annotations

import argparse
import ast
import io
import subprocess
import sys
import tarfile
import tempfile
import tokenize
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("inferential_core", "inferential_ros", "benchmarks", "robustness", "examples", "tools")
GENERATED = ("inferential_pb2.py",)
NO_CODE = (
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
)


def code_lines(source: str) -> int:
    """How many lines of a module hold code; a docstring is none, any other text is."""
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in NO_CODE:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                if isinstance(first.value.value, str):
                    lines.difference_update(range(first.lineno, (first.end_lineno or 0) + 1))
    return len(lines)


def count(folder: Path) -> tuple[int, int]:
    """Files, and the lines of code in them."""
    files = [path for path in folder.rglob("*.py") if path.name not in GENERATED]
    return len(files), sum(code_lines(path.read_text("utf-8")) for path in files)


def main(arguments: list[str]) -> int:
    """Print a line for each folder."""
    parser = argparse.ArgumentParser(prog="count_lines", description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="*", default=FOLDERS)
    parser.add_argument("--revision", help="count in a git revision")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as scratch:
        root = ROOT
        if options.revision:
            command = ["git", "-C", str(ROOT), "archive", options.revision]
            packed = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
            with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
                archive.extractall(scratch)
            root = Path(scratch)
        for name in options.folder:
            files, lines = count(root / name)
            print(f"{name:20}{files:6} files{lines:8} lines of code")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
