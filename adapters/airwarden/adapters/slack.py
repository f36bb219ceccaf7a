"""The `Chat` port over Slack: the Web API with a bot token, or an incoming webhook without updates."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from airwarden.core.errors import AirwardenError, NotFoundError, RejectedError, UnavailableError
from airwarden.core.platform import ChatMessage

if TYPE_CHECKING:
    from slack_sdk import WebClient
    from slack_sdk.errors import SlackApiError

#: Slack's error codes after which the same call can succeed later.
_LATER = frozenset(
    {"ratelimited", "rate_limited", "internal_error", "fatal_error", "service_unavailable",
     "request_timeout", "team_added_to_org"}
)  # fmt: skip
_GONE = frozenset({"message_not_found", "channel_not_found"})
#: What an incoming webhook's message is called: it has no reference by which it could be changed.
WEBHOOK_REFERENCE = "webhook"


def no_proxy_of_the_environment() -> None:
    """Let the library reach Slack, and its proxy, by what the settings say alone.

    It asks the environment where it is given no proxy, and so does Python's own opener below it.
    """
    from urllib.request import ProxyHandler, build_opener, install_opener

    install_opener(build_opener(ProxyHandler({})))


class SlackChat:
    """Posts and updates messages with a bot token.

    Args:
        token: The bot's token (`xoxb-…`); never printed.
        base_url: The Web API's address with a slash at its end.
        deadline: Seconds for one call, a rate limit's wait included.
        proxy: An HTTP proxy's URL, or None.
    """

    def __init__(
        self,
        token: str,
        *,
        base_url: str = "https://slack.com/api/",
        deadline: float = 5.0,
        proxy: str | None = None,
    ) -> None:
        self._token, self._base_url, self._deadline = token, base_url, deadline
        self._proxy = proxy
        self._web: WebClient | None = None

    def _client(self) -> WebClient:
        from slack_sdk import WebClient

        if self._web is None:
            no_proxy_of_the_environment()
            self._web = WebClient(
                token=self._token,
                base_url=self._base_url.rstrip("/") + "/",
                timeout=max(1, round(self._deadline)),
                proxy=self._proxy,
                retry_handlers=[],
            )
            self._web.proxy = self._proxy
        return self._web

    def post(self, message: ChatMessage) -> str:
        """Post a message; returns `CHANNEL_ID:TS`.

        Raises:
            UnavailableError: Not delivered; `retry_after` if Slack told how long to wait.
            RejectedError: Slack refused it: token, channel or blocks.
        """
        answer = self._call(
            "chat.postMessage",
            channel=message.channel,
            text=message.text,
            blocks=[dict(block) for block in message.blocks],
            unfurl_links=False,
        )
        return f"{answer['channel']}:{answer['ts']}"

    def update(self, reference: str, message: ChatMessage) -> None:
        """Replace the content of the message that `post` returned the reference of.

        Raises:
            NotFoundError: There is no such message any more: post a new one.
            UnavailableError: Not delivered.
            RejectedError: Slack refused it.
        """
        channel, _, ts = reference.rpartition(":")
        if not channel:
            raise NotFoundError(f"{reference!r} is no reference of a message that can be updated")
        self._call(
            "chat.update",
            channel=channel,
            ts=ts,
            text=message.text,
            blocks=[dict(block) for block in message.blocks],
        )

    def reply(self, reference: str, text: str) -> None:
        """Add a line to the thread of the message that `post` returned the reference of; raises as `update`."""
        channel, _, ts = reference.rpartition(":")
        if not channel:
            raise NotFoundError(f"{reference!r} is no reference of a message that has a thread")
        self._call("chat.postMessage", channel=channel, thread_ts=ts, text=text, unfurl_links=False)

    def whisper(self, channel: str, person: str, text: str) -> None:
        """Tell a person of a channel something that nobody else sees.

        Raises:
            UnavailableError: Not delivered.
            RejectedError: Slack refused it: they are not in the channel, or we are not.
        """
        self._call("chat.postEphemeral", channel=channel, user=person, text=text)

    def _call(self, method: str, **arguments: Any) -> dict[str, Any]:
        from slack_sdk.errors import SlackApiError

        end = time.monotonic() + self._deadline
        while True:
            try:
                answer = self._client().api_call(method, json=arguments)
            except SlackApiError as error:
                failure = _translate(method, error)
            except (OSError, ValueError) as error:
                raise UnavailableError(
                    f"Slack did not answer {method}: {type(error).__name__}"
                ) from None
            else:
                return dict(answer.data) if isinstance(answer.data, dict) else {}
            wait = failure.retry_after if isinstance(failure, UnavailableError) else None
            if wait is None or time.monotonic() + wait >= end:
                raise failure
            time.sleep(wait)


def _translate(method: str, error: SlackApiError) -> AirwardenError:
    """Return our error for Slack's: later, gone, or never."""
    answer = error.response
    status: int = answer.status_code
    if status == 429:
        told = str(answer.headers.get("Retry-After", ""))
        return UnavailableError(
            f"Slack limits the rate of {method}",
            retry_after=float(told) if told.isdigit() else None,
        )
    data = answer.data if isinstance(answer.data, dict) else {}
    code = str(data.get("error") or f"status {status}")
    if code in _LATER or status >= 500:
        return UnavailableError(f"Slack could not do {method}: {code}")
    notes = "; ".join(str(note) for note in data.get("response_metadata", {}).get("messages", ()))
    text = f"Slack refused {method}: {code}" + (f" ({notes})" if notes else "")
    return NotFoundError(text) if code in _GONE else RejectedError(text)


class SlackWebhook:
    """Posts through an incoming webhook, whose URL is the secret and fixes the channel.

    Args:
        url: The webhook's URL; never printed.
        deadline: Seconds for one call.
        proxy: An HTTP proxy's URL, or None.
    """

    def __init__(self, url: str, *, deadline: float = 5.0, proxy: str | None = None) -> None:
        self._url, self._deadline, self._proxy = url, deadline, proxy

    def post(self, message: ChatMessage) -> str:
        """Post a message; returns a reference that cannot be updated.

        Raises:
            UnavailableError: Not delivered.
            RejectedError: Slack refused it.
        """
        from slack_sdk.webhook import WebhookClient

        no_proxy_of_the_environment()
        client = WebhookClient(self._url, timeout=max(1, round(self._deadline)), retry_handlers=[])
        client.proxy = self._proxy
        try:
            answer = client.send(
                text=message.text, blocks=[dict(block) for block in message.blocks] or None
            )
        except (OSError, ValueError) as error:
            raise UnavailableError(
                f"Slack did not answer the webhook: {type(error).__name__}"
            ) from None
        if answer.status_code == 429 or answer.status_code >= 500:
            raise UnavailableError(f"Slack answered the webhook with {answer.status_code}")
        if answer.status_code != 200 or answer.body != "ok":
            raise RejectedError(f"Slack refused the webhook: {answer.status_code} {answer.body}")
        return WEBHOOK_REFERENCE

    def update(self, reference: str, message: ChatMessage) -> None:
        """Post the new content as a message of its own: a webhook cannot change an earlier one."""
        del reference
        self.post(message)

    def reply(self, reference: str, text: str) -> None:
        """Do nothing: the messages of a webhook have no threads that it could add to."""
        del reference, text
