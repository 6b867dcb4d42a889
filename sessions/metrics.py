"""What is counted for whoever runs the site: one metric for each question they ask.

Each process counts for itself; `readerai_site.probes` shows the numbers at `/metrics`. Labels are few words of
our own (a message's type, a code): never a name, an id or a text. Nothing here knows what is counted. Whoever
counts takes a child bound once, because a metric's own `labels()` costs several times as much as the increment.
"""

from typing import Generic, TypeVar

from prometheus_client import Counter, Gauge, Histogram

Child = TypeVar("Child", Counter, Gauge, Histogram)

QUICK = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10)
SLOW = (0.1, 0.25, 0.5, 1, 2, 4, 8, 15, 30, 60, 120, 600)


class By(dict[str, Child], Generic[Child]):
    """A metric's children by its one label, each bound when it is first met."""

    def __init__(self, metric: Child):
        super().__init__()
        self._metric = metric

    def __missing__(self, value: str) -> Child:
        child = self[value] = self._metric.labels(value)
        return child


# ---- Sockets

OPENED = By(Counter("readerai_sockets_opened", "Sockets that got their snapshot.", ["kind"]))
RETURNED = Counter("readerai_sessions_restored", "Readers' sockets that opened on a reading begun before.")
ENDED = By(Counter("readerai_sockets_ended", "Sockets that the site closed, by close code.", ["code"]))
OPEN = By(Gauge("readerai_sockets_open", "Sockets open in this process.", ["kind"]))

# ---- Messages

RECEIVED = By(Counter("readerai_messages", "Messages understood, by type.", ["type"]))
REFUSED = By(Counter("readerai_refusals", "Messages answered with ERROR, by code.", ["code"]))
ACKNOWLEDGED = Histogram(
    "readerai_acknowledgement_seconds", "From a durable message's arrival to its answer, commit included.", buckets=QUICK)
UNDELIVERED = By(Counter("readerai_pushes_undelivered", "Pushes and wakes the channel layer did not take.", ["reason"]))
DROPPED = By(Gauge("readerai_layer_dropped", "Messages that the in-process channel layer lost so far.", ["reason"]))

# ---- Commits

BATCH_WRITES = Histogram("readerai_batch_writes", "Writes that shared a commit.", buckets=(1, 2, 4, 8, 16, 32, 64))
BATCH_SECONDS = Histogram("readerai_batch_seconds", "Time a batch of writes took, commit included.", buckets=QUICK)

# ---- The tutor

WAITING = Gauge("readerai_questions_waiting", "Questions in the queue, of all processes.")
OLDEST = Gauge("readerai_questions_oldest_seconds", "How long the oldest of them has waited.")
ANSWERING = Gauge("readerai_questions_answering", "Questions being answered, by all engines.")
ENGINES = Gauge("readerai_engines_alive", "Tutor engines that live and take questions.")
FIRST_TOKEN = By(Histogram(
    "readerai_first_token_seconds", "From a model's call to its first words.", ["provider"], buckets=SLOW))
CALL = By(Histogram("readerai_model_seconds", "From a model's call to its last word.", ["provider"], buckets=SLOW))
FAILED_CALLS = By(Counter("readerai_model_failures", "Calls of a model that gave no answer, by code.", ["code"]))
OUTCOMES = By(Counter("readerai_outcomes", "Outcomes of questions: answered, or a failure's code.", ["code"]))
OUTCOME_SECONDS = Histogram("readerai_outcome_seconds", "From a question's storage to its outcome.", buckets=SLOW)
TOKENS = By(Counter("readerai_tokens", "Tokens that the model's server says it used.", ["kind"]))


def count_outcome(*, code: str, seconds: float, prompt_tokens: int | None, completion_tokens: int | None) -> None:
    """Count a question's outcome, once it is committed."""
    OUTCOMES[code].inc()
    OUTCOME_SECONDS.observe(seconds)
    TOKENS["prompt"].inc(prompt_tokens or 0)
    TOKENS["completion"].inc(completion_tokens or 0)
