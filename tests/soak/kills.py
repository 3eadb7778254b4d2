#!/usr/bin/env python3
"""The long form of daemon.crash: a storm of submits and kill -9, for as long as is asked for.

    python3 tests/soak/kills.py path/to/reclaimd path/to/helpers [minutes]

Ends with what was seen, or at the first promise that was broken; RECLAIM_TEST_SEED=N repeats a run's choices.
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "daemon"))

from daemon import Daemon  # noqa: E402
from storm import Storm  # noqa: E402


def main():
    minutes = float(sys.argv[3]) if len(sys.argv) > 3 else 30
    daemon, passed = Daemon(), False
    try:
        storm = Storm(daemon)
        print(f"seed {storm.seed}, {minutes:g} minutes", flush=True)
        storm.run(float("inf"), minutes * 60)
        daemon.close()
        passed = True
    finally:
        daemon.destroy(keep_files=not passed)
        if not passed:
            print(f"{daemon.log()[-4000:].decode('latin-1')}\nits state is left in {daemon.work}", flush=True)
    print(f"{storm.told()}: no promise broken")


if __name__ == "__main__":
    main()
