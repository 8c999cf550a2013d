"""The processes that notebooks run in, and how they are talked to."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator


@contextlib.contextmanager
def kernel_manager() -> Iterator[type]:
    """Talk to the kernel through files in place of TCP ports, which parallel runs could snatch from
    each other.
    """
    from jupyter_client.manager import AsyncKernelManager

    if os.name == "nt":  # Windows has no such sockets
        yield AsyncKernelManager
        return
    with tempfile.TemporaryDirectory(prefix="salun-", ignore_cleanup_errors=True) as folder:
        # unique, and short: a socket's path has at most 107 characters
        sockets = os.path.join(folder, "k")
        yield type(
            "FileSocketKernelManager", (AsyncKernelManager,), {"transport": "ipc", "ip": sockets}
        )


def is_port_clash(error: Exception) -> bool:
    """Whether a start failed because another took the kernel's port first."""
    text = f"{type(error).__name__} {error}".lower()
    return any(
        sign in text
        for sign in (
            "address already in use",
            "zmqerror",
            "kernel died before replying",
            "kernel didn't respond",
        )
    )
