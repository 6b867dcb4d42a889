"""What a running process has used, read from /proc, so Linux only. `client` asks about the server it loads."""

import os
from pathlib import Path


def processor_seconds(pid: int) -> float:
    """Return the processor time a process has used, all its threads together."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_kb(pid: int) -> float:
    """Return the memory of a process that is really there."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1024
