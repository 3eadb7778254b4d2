"""A disk that fails and a clock that jumps, by faults.c preloaded into the daemon."""
import mmap
import os
import struct

from daemon import HELPERS

WRITE, SYNC = 1, 2


class Faults:
    """struct faults of faults.c."""

    def __init__(self, daemon, path="reclaimd.db"):
        self.path = daemon.path("faults")
        with open(self.path, "wb") as file:
            file.truncate(64)
        with open(self.path, "r+b") as file:
            self.memory = mmap.mmap(file.fileno(), 64)
        self.faulty_path = path

    def environment(self):
        return {
            "LD_PRELOAD": os.path.join(HELPERS, "faults.so"),
            "RECLAIM_FAULTS": self.path,
            "RECLAIM_FAULTS_PATH": self.faulty_path,
            # A sanitizer's runtime wants to be first of the libraries.
            "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0",
        }

    def fail(self, error, kinds=WRITE | SYNC, spare=0):
        """All operations of these kinds fail with error, once spare more of them have succeeded."""
        struct.pack_into("q", self.memory, 24, 0)
        struct.pack_into("=iq", self.memory, 4, kinds, spare)
        struct.pack_into("i", self.memory, 0, error)

    def allow(self):
        """All succeed again; how many have failed since fail()."""
        struct.pack_into("i", self.memory, 0, 0)
        return self.failed()

    def failed(self):
        return struct.unpack_from("q", self.memory, 24)[0]

    def seen(self):
        """Writes and syncs so far."""
        return struct.unpack_from("q", self.memory, 16)[0]

    def clock(self, seconds):
        """The wall clock is off by so many seconds."""
        struct.pack_into("q", self.memory, 32, seconds)
