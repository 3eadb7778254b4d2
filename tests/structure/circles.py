#!/usr/bin/env python3
"""Fails if files, or folders, use each other in a circle, and names the calls that make it.

    circles.py BUILD FOLDER...

A file uses another if its object needs a symbol that the other's object defines, so calls, tables of functions and
shared variables count alike. BUILD: a build directory. FOLDER: of the source tree, everything below it counts; objects
of sources that are no longer there do not.
Exit codes: 0 none, 1 circles, 2 nothing found to look at."""

import collections
import os
import subprocess
import sys


ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def objects(build, folders):
    """The object of each source file: {path in the source tree: path of the object}."""
    found = {}
    for folder in folders:
        for where, _, names in os.walk(os.path.join(build, folder)):
            source = os.path.relpath(where, build)
            head, _, tail = source.partition("/CMakeFiles/")
            for name in names:
                if name.endswith(".c.o"):  # CMakeFiles/TARGET.dir/PATH.c.o
                    inside = os.path.join(*tail.split("/")[1:], name[:-2])
                    path = os.path.normpath(os.path.join(head, inside))
                    if os.path.exists(os.path.join(ROOT, path)):
                        found[path] = os.path.join(where, name)
    return found


def symbols(path):
    """What an object defines for others, and what it needs of others."""
    defined, needed = set(), set()
    for line in subprocess.run(["nm", path], check=True, capture_output=True, text=True).stdout.splitlines():
        kind, name = line.split()[-2:]
        if kind in "Uvw":
            needed.add(name)
        elif kind.isupper():
            defined.add(name)
    return defined, needed


def uses(files):
    """{file: {file that it uses: symbols}}"""
    told = {file: symbols(path) for file, path in files.items()}
    homes = collections.defaultdict(set)
    for file, (defined, _) in told.items():
        for name in defined:
            homes[name].add(file)
    graph = {file: collections.defaultdict(set) for file in files}
    for file, (defined, needed) in told.items():
        for name in needed - defined:
            for home in homes[name]:
                graph[file][home].add(name)
    return graph


def folded(graph):
    """The same of the folders that the files are in."""
    folders = collections.defaultdict(lambda: collections.defaultdict(set))
    for file, used in graph.items():
        here = folders[os.path.dirname(file)]
        for home, names in used.items():
            if os.path.dirname(home) != os.path.dirname(file):
                here[os.path.dirname(home)] |= {f"{name} ({os.path.basename(file)})" for name in names}
    return folders


def circles(graph):
    """Sets of nodes that all reach each other (Tarjan's algorithm: strongly connected components)."""
    index, low, stack, found = {}, {}, [], []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in graph[node]:
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            at = stack.index(node)
            found.append(set(stack[at:]))
            del stack[at:]

    for node in sorted(graph):
        if node not in index:
            visit(node)
    return [circle for circle in found if len(circle) > 1]


def floors(graph):
    """How many files stand on each other at most; the graph has no circles."""
    heights = {}

    def height(node):
        if node not in heights:
            heights[node] = 1 + max(map(height, graph[node]), default=0)
        return heights[node]

    return max(map(height, graph), default=0)


def report(kind, graph):
    found = circles(graph)
    for circle in found:
        print(f"{len(circle)} {kind} in a circle:")
        for node in sorted(circle):
            for other in sorted(set(graph[node]) & circle):
                print(f"    {node} -> {other}: {', '.join(sorted(graph[node][other]))}")
    return len(found)


def main():
    sys.setrecursionlimit(10000)
    files = objects(sys.argv[1], sys.argv[2:])
    if not files:
        print(f"no objects of {sys.argv[2:]} below {sys.argv[1]}: build first", file=sys.stderr)
        return 2
    graph = uses(files)
    count = report("files", graph) + report("folders", folded(graph))
    if count == 0:
        print(f"{len(files)} files on {floors(graph)} floors, no circle of files or folders")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
