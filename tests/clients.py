"""Two small clients that know nothing but the protocol: a snapshot, and what each message does to it.

`StudentPage` and `RoomPage` listen to a conversation and keep the state a page would show; the tests hold that
state against a fresh snapshot. They are written from `docs/protocol.md`, not from the code.
"""

import asyncio
import copy
from typing import Any

from tests.people import PATIENCE, Conversation

FINISHED_KEPT = 20
BROADCASTS_KEPT = 20
# What a snapshot says beside the numbered state: presence, queue places and drafts are told as they come.
UNNUMBERED = {"restored", "status"}
UNDER_WAY = {"state", "attempt", "draftText", "queuePosition", "processingEstimate"}
OPEN = ("queued", "answering")


class Page:
    """Applies numbered messages in their order: at or below mine drop, the next one apply, beyond it keep for later."""

    snapshot_type: str
    counter: str  # the counter this page must not miss anything of, as PONG names it

    def __init__(self, conversation: Conversation):
        self.conversation = conversation
        self.waiting: dict[tuple[str, int], dict] = {}
        self.pong: dict[str, int] = {}
        self.applied: list[tuple[str, int]] = []
        self.restore(conversation.snapshot)
        for frame in conversation.heard:
            self.hear(frame)
        conversation.listeners.append(self.hear)

    def restore(self, frame: dict[str, Any]) -> None:
        self.state = copy.deepcopy(frame["payload"])
        self.numbers = {name: frame[name] for name in ("version", "classVersion") if name in frame}
        self.waiting = {key: kept for key, kept in self.waiting.items() if key[1] > self.numbers[key[0]]}

    def hear(self, frame: dict[str, Any]) -> None:
        if frame["type"] == self.snapshot_type:
            return self.restore(frame)
        if frame["type"] == "PONG":
            self.pong = frame["payload"]
            return
        counter = next((name for name in self.numbers if name in frame), None)
        if counter is None:
            return self.apply(frame["type"], frame["payload"])
        if frame[counter] > self.numbers[counter]:
            self.waiting[counter, frame[counter]] = frame
        while (due := self.waiting.pop((counter, self.numbers[counter] + 1), None)) is not None:
            self.numbers[counter] += 1
            self.applied.append((counter, self.numbers[counter]))
            self.state[counter] = self.numbers[counter]
            self.apply(due["type"], due["payload"])

    def is_behind(self) -> bool:
        return any(self.numbers[name] < self.pong.get(name, 0) for name in self.numbers)

    def apply(self, type: str, payload: dict[str, Any]) -> None:
        getattr(self, f"on_{type.lower()}", lambda payload: None)(payload)

    async def listen(self) -> None:
        """Ask for the counters, and wait for what they say is still on its way."""
        await self.conversation.replied(await self.conversation.sends("PING"), "PONG")
        async with asyncio.timeout(PATIENCE):
            while self.is_behind():
                await self.conversation.hears_any()

    async def restores(self) -> None:
        """Ask for the whole state."""
        await self.conversation.replied(await self.conversation.sends("RESTORE"), self.snapshot_type)


def said(broadcasts: list[dict], payload: dict) -> list[dict]:
    return [*(kept for kept in broadcasts if kept["broadcastId"] != payload["broadcastId"]), payload][-BROADCASTS_KEPT:]


class StudentPage(Page):
    snapshot_type = "SESSION_RESTORED"

    def _interruption(self, id: str) -> dict:
        """Return a question, or a blank one for what is so old that no snapshot holds it: a page lists that by REST."""
        return next((view for view in self.state["interruptions"] if view["interruptionId"] == id), {})

    def on_interruption_acknowledged(self, payload):
        kept = ("interruptionId", "questionText", "wordIndex", "paragraph", "askedAt", "queuePosition", "processingEstimate")
        self.state["interruptions"].append(
            {name: payload[name] for name in kept} | {"state": "queued", "attempt": 0})

    def _if_known(self, payload) -> dict:
        """Return the question that something unnumbered is about, or one that nobody shows yet."""
        shown = (view for view in self.state["interruptions"] if view["interruptionId"] == payload["interruptionId"])
        return next(shown, {"state": "unknown"})

    def on_queue_position(self, payload):
        self._if_known(payload).update({name: payload[name] for name in ("queuePosition", "processingEstimate")})

    def on_interruption_response_delta(self, payload):
        view = self._if_known(payload)
        text = view.get("draftText", "") if view.get("attempt") == payload["attempt"] else ""
        if view["state"] in OPEN and len(text) >= payload["fromChar"]:  # else a real page would ask RESTORE
            for name in ("queuePosition", "processingEstimate"):
                view.pop(name, None)
            view |= {"state": "answering", "attempt": payload["attempt"],
                     "draftText": text[:payload["fromChar"]] + payload["text"]}

    def _finish(self, id, state, outcome):
        view = self._interruption(id)
        for name in UNDER_WAY:
            view.pop(name, None)
        view |= outcome | {"state": state}
        finished = [each for each in self.state["interruptions"] if each["state"] not in OPEN]
        for old in finished[:-FINISHED_KEPT]:
            self.state["interruptions"].remove(old)

    def on_interruption_response(self, payload):
        beside = ("suggestions", "helpLevel")  # buttons of the moment, in no snapshot
        self._finish(payload["interruptionId"], "answered",
                     {name: value for name, value in payload.items() if name not in beside})

    def on_interruption_error(self, payload):
        state = "cancelled" if payload["errorCode"] == "cancelled" else "failed"
        self._finish(payload["interruptionId"], state,
                     {name: value for name, value in payload.items() if name != "fallbackAction"})

    def on_progress_saved(self, payload):
        if payload["rev"] >= self.state["rev"]:
            self.state |= {name: payload[name] for name in ("rev", "wordIndex", "furthestWordIndex")}

    def on_preferences_saved(self, payload):
        self.state["preferences"] = payload["preferences"]

    def on_class_broadcast(self, payload):
        classroom = self.state["classroom"]
        classroom["broadcasts"] = said(classroom["broadcasts"], payload)
        if payload["kind"] == "focus":
            classroom["focus"] = {name: payload[name] for name in ("textId", "wordIndex")}
        elif payload["kind"] in ("pause", "resume"):
            classroom["paused"] = payload["kind"] == "pause"


class RoomPage(Page):
    snapshot_type = "CLASSROOM_STATE"

    def __init__(self, conversation):
        self.removed: set[int] = set()
        super().__init__(conversation)

    def _seat(self, students):
        rows = {row["enrollmentId"]: row for row in self.state["students"]}
        rows |= {row["enrollmentId"]: row for row in students if row["enrollmentId"] not in self.removed}
        self.state["students"] = list(rows.values())

    def on_student_joined(self, payload):
        if not any(row["enrollmentId"] == payload["student"]["enrollmentId"] for row in self.state["students"]):
            self._seat([payload["student"]])

    def on_student_progress(self, payload):
        self._seat(payload["students"])

    def on_student_presence(self, payload):
        self.removed |= set(payload["removed"])
        for name in ("students", "interruptions"):
            self.state[name] = [row for row in self.state[name] if row["enrollmentId"] not in self.removed]

    def _interruption(self, payload):
        told = payload["interruption"]
        if told["enrollmentId"] in self.removed:
            return
        rows = {row["interruptionId"]: row for row in self.state["interruptions"]}
        rows[told["interruptionId"]] = told
        self.state["interruptions"] = sorted(rows.values(), key=lambda row: -row["askedAt"])[:50]

    on_interruption_opened = on_interruption_answered = on_interruption_failed = _interruption

    def on_heatmap_updated(self, payload):
        self.state["paragraphCounts"] = payload["paragraphCounts"]

    def on_class_broadcast(self, payload):
        self.state["broadcasts"] = said(self.state["broadcasts"], payload)
        if payload["kind"] == "focus":
            self.state["focus"] = {name: payload[name] for name in ("textId", "wordIndex")}
        elif payload["kind"] in ("pause", "resume"):
            self.state["paused"] = payload["kind"] == "pause"

    def on_tutor_status(self, payload):
        self.state["tutorRunning"] = payload["running"]


def numbered(state: dict[str, Any]) -> dict[str, Any]:
    """Return what two pages of the same moment must agree on."""
    state = {name: value for name, value in copy.deepcopy(state).items() if name not in UNNUMBERED}
    state.get("session", {}).pop("activeSeconds", None)
    for view in state["interruptions"]:
        # `attempt` is told by deltas while the answer comes, and means nothing after it.
        for name in UNDER_WAY if view["state"] in OPEN else ["attempt"]:
            view.pop(name, None)
    if "students" in state:
        state["students"] = sorted(state["students"], key=lambda row: row["enrollmentId"])
        for row in state["students"]:
            row.pop("lastSeen", None)
    return state
