"""The processes that notebooks run in, and how they are talked to."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from typing import Any

from .orphans import die_with_parent

# Names of variables that hold what gives access to something: a notebook may come from anybody.
# The Hub's own file of a token stays where it is: models with a licence to accept need it.
SECRET = re.compile(
    r"(TOKEN|SECRET|PASSW(OR)?D|PASSPHRASE|API_?KEY|ACCESS_?KEY|PRIVATE_?KEY|CREDENTIAL"
    r"|_KEY|_PASS|_PWD|_PAT|_AUTH)S?(_|$)",
    re.I,
)


def without_secrets(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment without variables that are called like a token, a password or a key."""
    return {name: value for name, value in environment.items() if not SECRET.search(name)}


@contextlib.contextmanager
def kernel_manager() -> Iterator[type]:
    """Talk to the kernel through files in place of TCP ports, which parallel runs could snatch from
    each other; start it without the secrets of whoever calls, and have it die with its caller.
    """
    from jupyter_client.manager import AsyncKernelManager

    class WithoutSecrets(AsyncKernelManager):
        async def _async_pre_start_kernel(self, **options: Any) -> Any:
            options["env"] = without_secrets(options.get("env") or os.environ)
            if (dies := die_with_parent()) is not None:
                options["preexec_fn"] = dies  # a kernel looks for its parent only once it is up
            return await super()._async_pre_start_kernel(**options)

        pre_start_kernel = _async_pre_start_kernel

    if os.name == "nt":  # Windows has no such sockets
        yield WithoutSecrets
        return
    with tempfile.TemporaryDirectory(prefix="salun-", ignore_cleanup_errors=True) as folder:
        # unique, and short: a socket's path has at most 107 characters
        sockets = os.path.join(folder, "k")
        yield type(
            "FileSocketKernelManager", (WithoutSecrets,), {"transport": "ipc", "ip": sockets}
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
