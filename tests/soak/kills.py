#!/usr/bin/env python3
"""The long form of daemon.crash: a storm of submits and kill -9, for as long as is asked for.

    python3 tests/soak/kills.py path/to/reclaimd path/to/helpers [minutes]

Ends with what was seen, or at the first promise that was broken; RECLAIM_TEST_SEED=N repeats a run's choices.
"""
import os
import random
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "daemon"))

from daemon import Daemon  # noqa: E402
from storm import Storm  # noqa: E402


def main():
    minutes = float(sys.argv[3]) if len(sys.argv) > 3 else 30
    seed = int(os.environ.get("RECLAIM_TEST_SEED", random.randrange(1 << 32)))
    print(f"seed {seed}, {minutes:g} minutes", flush=True)
    daemon = Daemon()
    try:
        storm = Storm(daemon, seed)
        storm.run(float("inf"), minutes * 60)
        daemon.close()
    finally:
        daemon.destroy()
    print(f"{storm.round} kills, {storm.acknowledged} acknowledged, {storm.unanswered} not, of which ", end="")
    print(f"{storm.whole - storm.acknowledged} were kept: no promise broken")


if __name__ == "__main__":
    main()
