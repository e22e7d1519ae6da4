"""Access to web pages by a token, as bearer token or as the password of HTTP Basic authentication."""

import base64
import binascii
import hmac
from collections.abc import Iterable


def has_token(headers: Iterable[tuple[bytes, bytes]], token: str) -> bool:
    """Whether the ``Authorization`` header among those of a request has the token. Names are in lower case.

    Nobody has an empty token.
    """
    authorization = next((value for name, value in headers if name == b"authorization"), b"")
    scheme, _, value = authorization.partition(b" ")
    given = value.strip()
    if scheme.lower() == b"basic":
        try:
            given = base64.b64decode(given, validate=True).partition(b":")[2]
        except binascii.Error:
            return False
    elif scheme.lower() != b"bearer":
        return False
    return bool(token) and hmac.compare_digest(given, token.encode(errors="replace"))
