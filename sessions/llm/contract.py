"""What the tutor engine and every provider agree on: the request, the pieces of a reply, the error.

The engine (`sessions.tutor`) builds a `TutorRequest` and reads `Provider.stream`; a provider never sees
the database, a socket or a person. A new provider is one file beside this one, a line in
`sessions/llm/__init__.py`, and a row in tests/test_llm_contract.py, which holds them all to this page.
"""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

ErrorCode = Literal["llm_unavailable", "busy", "timeout"]
FinishReason = Literal["stop", "length", "content_filter", "refusal"]
ResponseType = Literal["text", "definition", "explanation", "example", "mixed"]

# A reply longer than this is stopped and marked truncated: 8 KB of UTF-8 is some 1,300 English words,
# far beyond what a child is told at once, and a runaway model must not fill the database.
MAX_REPLY_BYTES = 8 * 1024
MAX_MODEL_NAME = 100  # characters, as wide as the column: some servers name a model by its file's whole path


@dataclass(frozen=True, slots=True)
class Paragraph:
    """One passage of the text. Word indexes count whitespace-separated words of the whole text from 0."""

    number: int  # 1-based; 0 for a heading
    text: str
    first_word: int
    chapter: int


@dataclass(frozen=True, slots=True)
class TutorRequest:
    """One question, and all that a provider may know to answer it. It holds nothing personal."""

    question: str
    paragraphs: Sequence[Paragraph]  # the whole text in order, headings too
    text_key: str  # "<text id>:<revision>": same key, same paragraphs
    word_index: int  # where the reader is
    furthest_word_index: int  # how far the reader has ever been
    visible_to_word: int  # exclusive: nothing at or beyond this word may be answered from or quoted
    reading_level: str  # for example "ages 9 to 11"
    language: str  # BCP 47, for example "en"
    current_sentence: str = ""
    selected_text: str = ""
    student_thought: str = ""
    title: str = ""


@dataclass(frozen=True, slots=True)
class TextDelta:
    """The next piece of the reply; the pieces joined are the reply. Never empty."""

    text: str


@dataclass(frozen=True, slots=True)
class Finish:
    """The one, last item of a stream that ended as it should.

    After "content_filter" or "refusal" the text so far is not an answer: the engine puts a fixed sentence
    in its place. `truncated` means the text was cut off, by the model's own limit or by ours.
    """

    reason: FinishReason
    response_type: ResponseType = "text"
    truncated: bool = False
    model: str = ""  # at most MAX_MODEL_NAME characters
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class ProviderError(Exception):
    """The attempt failed; what was streamed so far is worth nothing.

    `retriable`: another attempt may succeed. `retry_after`: seconds the model's server asked us to wait,
    None when it did not say. Waiting or giving up is the engine's decision. The message is for the log:
    it holds no question, no reply and no key.
    """

    def __init__(
        self, message: str, *, code: ErrorCode, retriable: bool, retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.retriable = retriable
        self.retry_after = retry_after


@runtime_checkable
class Provider(Protocol):
    """Answers questions. One instance serves many requests at once in one event loop."""

    name: str  # stored with the answer: "passage_helper", "openai"
    label: str  # shown to people

    def stream(self, request: TutorRequest) -> AsyncGenerator[TextDelta | Finish, None]:
        """Yield at least one `TextDelta` (none only after a refusal), then exactly one `Finish`.

        Raises `ProviderError`; anything else that escapes is a bug in the provider. The caller closes
        the generator (`contextlib.aclosing`) or cancels its task, and the provider then lets go of
        everything it holds at once. There is no deadline in here for a reply as a whole: that is the
        caller's.
        """
        ...

    async def close(self) -> None:
        """Let go of connections and threads. Safe to call twice."""
        ...
