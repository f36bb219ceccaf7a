"""An identity provider that says whom it is told to say."""

from __future__ import annotations

from urllib.parse import urlencode

from airwarden.core.errors import RejectedError
from airwarden.core.platform import Identity


class FakeIdentityProvider:
    """Sends everybody straight back as `person`.

    Attributes:
        person: Whom the next code stands for.
    """

    def __init__(self, person: Identity) -> None:
        self.person = person
        self._codes: dict[str, tuple[str, str, str]] = {}

    def begin(self, *, redirect: str, state: str, nonce: str, verifier: str) -> str:
        """Return the way back, with a code that is good for once."""
        code = f"code-{len(self._codes)}"
        self._codes[code] = (redirect, nonce, verifier)
        return f"{redirect}?{urlencode({'state': state, 'code': code})}"

    def finish(self, code: str, *, redirect: str, nonce: str, verifier: str) -> Identity:
        """Return the person, for a code that was given out with the same words."""
        if self._codes.pop(code, None) != (redirect, nonce, verifier):
            raise RejectedError("the code stands for nobody")
        return self.person
