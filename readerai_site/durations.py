"""Every duration and every limit of the product, each in one frozen object.

`settings.DURATIONS` and `settings.LIMITS` are built from these once. The fault runs set DURATION_SCALE
so that leases, deadlines and time-outs shrink together, some to a floor, and a hundred kills fit in minutes; the benchmark
sets LIMITS_SCALE, so that a few sockets may ask what thousands would.
"""

from dataclasses import dataclass, fields, replace


@dataclass(frozen=True, slots=True)
class Durations:
    """Seconds, all of them."""

    # The tutor engine
    lease: float = 30.0             # a claimed question belongs to its worker this long
    lease_renewal: float = 10.0
    lease_margin: float = 5.0       # a worker that could not renew stops this long before its lease ends
    sweep: float = 2.0              # messages only wake the engine; this finds what they missed
    deadline: float = 110.0         # from the first claim to a stored outcome
    attempt: float = 90.0
    first_token: float = 15.0
    idle_token: float = 20.0
    retry: float = 1.0              # first delay before another attempt; doubles
    unclaimed: float = 600.0        # a question nobody could claim for so long fails as busy
    draft: float = 1.0              # how often the running answers' drafts are stored
    delta: float = 0.2              # at most five deltas a second for one answer
    beat: float = 5.0               # how often an engine says that it lives
    silence: float = 20.0           # an engine that has said nothing for so long is taken for dead
    probe: float = 3.0              # what /readyz gives a part of the site to answer
    layer: float = 2.0              # a channel layer that takes longer for one message is passed over
    # Sockets
    heartbeat: float = 25.0
    heartbeat_timeout: float = 60.0
    after_flooding: float = 20.0    # so long a log-in that flooded opens no socket; its page waits 30 s
    refusal: float = 5.0            # … and so long it waits to hear so, or a program would be back at once
    slow_reader: float = 10.0       # a client that has taken nothing for so long is cut off
    handshake: float = 60.0
    pulse: float = 1.0              # one query a second and process for pings, presence, dashboards, evictions
    healing: float = 5.0            # dashboards re-read rows that changed in so many seconds
    heatmap: float = 2.0
    away: float = 300.0
    bad_messages: float = 60.0      # the window in which LIMITS.bad_messages are too many
    drain: float = 25.0             # from SIGTERM to the end
    # Accounts
    ticket: float = 60.0
    session_idle: float = 30 * 60.0
    session_absolute: float = 12 * 3600.0
    attempts: float = 3600.0        # the window of attempts at a code, a PIN, a password
    password_reset: float = 3600.0  # how long the link in a letter opens
    confirmation: float = 3 * 86400.0

    def scaled(self, factor: float) -> "Durations":
        """Return the same durations, each times `factor`, but none below what two busy cores can keep."""
        return Durations(**{f.name: max(getattr(self, f.name) * factor, min(getattr(self, f.name), KEPT.get(f.name, 0)))
                            for f in fields(self)})


# Seconds below which `scaled` makes nothing shorter. A process that is not scheduled for a second or two is neither a
# hanging layer nor a dead client, and a reader who says nothing for three minutes has not gone home.
KEPT = {"layer": 2.0, "slow_reader": 2.0, "heartbeat_timeout": 10.0, "handshake": 10.0, "healing": 2.0, "ticket": 30.0,
        "session_idle": 900.0, "session_absolute": 3600.0}


# What a server holds of one socket, whichever server it is (`connections`, `uvicorn_protocol`).
INPUT_MESSAGES = 32  # messages that may wait for the application before no more is parsed, nor read
# Bytes parsed at once. Servers parse all that was read before anybody else has a turn, and 64 KB hold a thousand small
# messages: a tenth of a second for each reading of each client that floods.
PIECE = 4096
# Bytes that the kernel holds for a peer and has not sent. It would take two megabytes, and a server that is never made
# to wait goes on answering one that reads nothing.
UNSENT_BYTES = 64 * 1024
LAST_BYTES = 16 * 1024  # what a peer may still say after our close frame, which crosses with its last words


@dataclass(frozen=True, slots=True)
class Limits:
    messages_per_second: float = 20.0
    burst: float = 40.0
    flood_per_second: float = 150.0  # beyond the burst; 200 a second are cut off within a second
    flood_burst: float = 60.0
    snapshots_per_second: float = 0.5  # a page asks when it has missed something, one at a time
    snapshots_burst: float = 2.0
    questions_per_minute: int = 6
    questions_per_day: int = 60
    bad_messages: int = 5
    answer_bytes: int = 8_192
    attempts: int = 3               # calls of the model for one question
    llm_concurrent: int = 10
    batch: int = 64                 # sockets' writes in one commit
    pin_attempts: int = 10
    code_attempts: int = 10
    code_guesses: int = 2_000       # wrong codes after which an address is not listened to: a school mistypes hundreds
    newcomers: int = 200            # new nicknames in one class
    password_attempts: int = 6
    sign_ups: int = 200             # sign-up forms sent from one address: a whole staff room has one, and mistypes
    letters: int = 20               # e-mails that one address may ask for
    letters_to: int = 3             # e-mails that may be asked for to one mailbox, and by one account
    colleagues: int = 20            # unknown names that one teacher may try for a co-teacher
    upload_bytes: int = 5 * 1024 * 1024
    markdown_bytes: int = 1024 * 1024  # the worst that can be written in it takes 15 s to read

    def relaxed(self, factor: float) -> "Limits":
        """Return the same limits, those on what one reader may send each times `factor`; guesses stay as rare."""
        asked = ("messages_per_second", "burst", "flood_per_second", "flood_burst", "snapshots_per_second",
                 "snapshots_burst", "questions_per_minute", "questions_per_day")
        return replace(self, **{name: type(getattr(self, name))(getattr(self, name) * factor) for name in asked})
