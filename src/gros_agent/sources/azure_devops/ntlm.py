"""Logs in with a Windows account through NTLM, on servers that accept nothing else.

The handshake belongs to a connection: a refusal, a challenge, and a response that is computed from the challenge and
the password. The password itself is never sent. It is described in MS-NTHT and MS-NLMP, which Microsoft publishes.
"""

import contextlib

import requests
from requests_ntlm import HttpNtlmAuth
from spnego.exceptions import SpnegoError

from gros_agent.options.values import Secret


class WindowsLogin(HttpNtlmAuth):
    """Responds to a server's challenges for an account of a Windows domain."""

    def __init__(self, account: str, password: Secret) -> None:
        super().__init__(account, password.reveal())

    def response_hook(self, r: requests.Response, **given: object) -> requests.Response:
        """Continue the handshake if the server asks for it. Raises :class:`requests.ConnectionError` if that fails."""
        with contextlib.suppress(LookupError, PermissionError, ValueError, SpnegoError):
            return super().response_hook(r, **given)
        raise requests.ConnectionError("the server broke off the proof of the Windows account")
