#!/usr/bin/env python3
"""Fails if two files of the product have one name, or a guide names a file that is not there.

    names.py ROOT

ROOT: the source tree. Guides name files by the end of their path: `acts/attempt.c`, `tests/vm/run.sh`.
Exit codes: 0 none, 1 some."""

import collections
import os
import re
import sys

PRODUCT = ("include", "ipc", "worker", "runner")
GUIDES = ("README.md", "CONTRIBUTING.md", "docs/architecture.md", "docs/memory.md", "docs/performance.md")
FILE = re.compile(r"(?<![\w/.<>*~-])((?:[\w-]+/)*[\w-]+\.(?:c|h|py|sh|md|json))\b(?!/)")


def files_of(root):
    """Every file of the tree but what a build or git made, as a path from root."""
    for where, folders, names in os.walk(root):
        folders[:] = [name for name in folders if name not in ("build", ".git") and not name.startswith("build-")]
        for name in names:
            yield os.path.relpath(os.path.join(where, name), root)


def namesakes(files):
    homes = collections.defaultdict(list)
    for path in files:
        if path.startswith(tuple(folder + "/" for folder in PRODUCT)) and path.endswith((".c", ".h")):
            homes[os.path.basename(path)].append(path)
    return [f"one name, {len(paths)} files: {' '.join(sorted(paths))}" for paths in homes.values() if len(paths) > 1]


def missing(root, guide, files):
    with open(os.path.join(root, guide), encoding="utf-8") as text:
        named = {name for line in text for name in FILE.findall(line)}
    ends = tuple("/" + path for path in files)
    return [f"{guide}: {name}: no such file" for name in sorted(named)
            if not any(end.endswith("/" + name) for end in ends)]


def main():
    root = sys.argv[1]
    files = list(files_of(root))
    found = namesakes(files)
    for guide in GUIDES:
        found += missing(root, guide, files)
    print("\n".join(found) if found else f"{len(files)} files: each name once, and every file that a guide names is there")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
