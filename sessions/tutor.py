"""Answer students' questions: claim, prompt, stream, retry, finish.

`wake` is called after a question was committed; `runworker tutor` runs the same engine in its own process.
Nothing here touches a socket: results leave through `services.queue` and `events`. No database connection is
held while a model is awaited.
"""

import asyncio
import contextlib
import logging
import time
from dataclasses import dataclass, field
from functools import partial
from uuid import UUID

from django.conf import settings
from django.utils.translation import gettext as _

from classrooms.services.roster import names_in_class
from sessions import events, failpoints, llm, messages, metrics, redaction
from sessions.heartbeat import Heartbeat
from sessions.llm.citations import find_citations
from sessions.models import Interruption
from sessions.providers import HELPER, make_provider
from sessions.services import budgets, queue, texts
from sessions.threads import DatabaseThreads

logger = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class Running:
    """An answer under way in this process."""

    claim: queue.Claim
    lease_ends: float  # monotonic seconds
    deadline: float  # monotonic seconds
    task: asyncio.Task | None = None
    text: str = ""
    stored: tuple[int, int] = (0, 0)  # lengths of the last two stored drafts, in code points
    told: tuple[int, int] = (0, 0)  # how far the last two deltas reached
    fresh: asyncio.Event = field(default_factory=asyncio.Event)  # text has come that no delta told
    telling: asyncio.Lock = field(default_factory=asyncio.Lock)  # held while a delta is on its way

    @property
    def id(self) -> UUID:
        return self.claim.interruption.pk

    @property
    def token(self) -> UUID:
        return self.claim.token


class TutorEngine:
    """One process's share of the tutor. `run` until `stop`; `wake` makes it look at the queue now."""

    def __init__(self):
        self._database = DatabaseThreads("tutor")
        self._providers: dict[str, llm.Provider] = {}
        # By token: a question that was taken from this very engine may be claimed by it again, and both run a moment.
        self._running: dict[UUID, Running] = {}
        self._claiming = asyncio.Lock()
        self._making = asyncio.Lock()
        self._woken = asyncio.Event()
        self._stopping = False
        self._heart = Heartbeat(self._database, lambda: len(self._running))

    def wake(self) -> None:
        self._woken.set()

    async def run(self) -> None:
        """Claim and answer until cancelled. A database that is away is waited for."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._heart.run())
            group.create_task(self._every(settings.DURATIONS.sweep, self._fail_overdue))
            group.create_task(self._every(settings.DURATIONS.lease_renewal, self._renew))
            group.create_task(self._every(settings.DURATIONS.lease_margin / 5, self._let_go))
            group.create_task(self._every(settings.DURATIONS.draft, self._store_drafts))
            group.create_task(self._claim_forever())

    async def stop(self, *, drain: float) -> None:
        """Stop claiming, let the answers under way finish for `drain` seconds, give the others back."""
        self._stopping = True
        self._heart.drain()
        async with self._claiming:  # what is being claimed at this moment is ours to finish too
            tasks = [running.task for running in self._running.values()]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=drain)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        for provider in self._providers.values():
            try:
                await provider.close()
            except Exception:
                logger.exception("A provider did not close.")
        await self._heart.leave()
        await self._database.close()

    # ---- The queue

    @staticmethod
    async def _every(seconds: float, work) -> None:
        while True:
            await asyncio.sleep(seconds)
            try:
                await work()
            except Exception:
                logger.exception("%s failed; it runs again in %s s.", work.__name__, seconds)

    async def _claim_forever(self) -> None:
        while not self._stopping:
            try:
                await self._claim_all()
            except Exception:
                logger.exception("A claim failed; the sweep tries again.")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(settings.DURATIONS.sweep):
                    await self._woken.wait()
            self._woken.clear()

    async def _claim_all(self) -> None:
        async with self._claiming:
            while not self._stopping and len(self._running) < settings.LIMITS.llm_concurrent:
                asked_at = time.monotonic()
                claim = await self._database.run(queue.claim)
                if claim is None:
                    return
                failpoints.hit("after_claim")
                running = Running(claim, asked_at + settings.DURATIONS.lease, asked_at + claim.left)
                self._running[running.token] = running
                running.task = asyncio.create_task(self._answer(running))
                running.task.add_done_callback(partial(self._release, running))

    def _release(self, running: Running, task: asyncio.Task) -> None:
        del self._running[running.token]
        if not task.cancelled() and (error := task.exception()):
            logger.error("Question %s was let go; its lease ends by itself.", running.id, exc_info=error)
        self.wake()  # a slot is free

    async def _renew(self) -> None:
        asked_at = time.monotonic()
        for running in await self._held(queue.renew, [running.claim for running in self._running.values()]):
            running.lease_ends = asked_at + settings.DURATIONS.lease

    async def _store_drafts(self) -> None:
        drafts = {running: running.text for running in self._running.values()}
        for running in await self._held(queue.store_drafts, [(r.claim, text) for r, text in drafts.items()]):
            running.stored = (running.stored[1], len(drafts[running]))

    async def _held(self, function, work: list) -> list[Running]:
        """Run `renew` or `store_drafts`; return what is still ours, and stop what is another's, or the student's, by now."""
        mine = list(self._running.values())
        if not mine:
            return []
        tokens = await self._database.run(function, work)
        for running in mine:
            if running.token not in tokens:
                running.task.cancel()
        return [running for running in mine if running.token in tokens]

    async def _let_go(self) -> None:
        """Stop answers whose lease was not renewed in time, soon enough that no other worker has begun on them.

        Not a part of `_renew`: that one may be waiting for a database that says nothing at all.
        """
        for running in list(self._running.values()):
            if time.monotonic() > running.lease_ends - settings.DURATIONS.lease_margin:
                running.task.cancel()

    async def _fail_overdue(self) -> None:
        for interruption in await self._database.run(queue.overdue):
            try:
                fallback = await self._fallback(interruption)
                if await self._database.run(queue.fail_overdue, interruption, fallback=fallback):
                    logger.info("A question was overdue and failed.", extra=interruption.trail)
            except Exception:  # the next one must not wait for it
                logger.exception("Question %s is overdue and could not be failed.", interruption.pk)

    # ---- One answer

    async def _answer(self, running: Running) -> None:
        try:
            try:
                if code := running.claim.interruption.error_code:  # a budget is used up: nothing leaves the house
                    return await self._fail(running.claim, code)
                answer = await self._attempt(running)
            except llm.ProviderError as error:
                await self._retry_or_fail(running, error)
            else:
                failpoints.hit("before_final_commit")
                if await self._insist(queue.finish, running.claim, answer):
                    logger.info("A question is answered by %s.", answer.provider, extra=running.claim.interruption.trail)
                failpoints.hit("after_final_commit")
        except asyncio.CancelledError:
            if self._stopping:
                await self._database.run(queue.retry, running.claim, delay=0)
            # Otherwise the claim is no longer ours, and whoever holds it now writes the outcome.

    async def _attempt(self, running: Running) -> queue.Answer:
        """Return the whole answer, within the time there is. Raises ProviderError and nothing else."""
        try:
            async with asyncio.timeout(min(settings.DURATIONS.attempt, running.deadline - time.monotonic())):
                return await self._stream(running)
        except TimeoutError:
            raise llm.ProviderError("the attempt took too long", code="timeout", retriable=True) from None
        except llm.ProviderError:
            raise
        except Exception as error:
            logger.exception("A provider broke its contract.")
            raise llm.ProviderError(type(error).__name__, code="llm_unavailable", retriable=True) from error

    async def _stream(self, running: Running) -> queue.Answer:
        """Return the whole answer, having sent it out piece by piece."""
        interruption = running.claim.interruption
        logger.info("Call %d for a question begins.", interruption.attempt, extra=interruption.trail)
        request = await self._request(interruption)
        if budgets.uses_model(interruption.classroom):
            names = await self._database.run(names_in_class, interruption.classroom_id)
            request = await asyncio.to_thread(redaction.redacted_request, request, names=names)
            provider = await self._provider(settings.TUTOR_PROVIDER)
        else:
            provider = await self._provider(HELPER)
        telling = finish = None
        asked_at = time.monotonic()
        try:
            async with contextlib.aclosing(provider.stream(request)) as pieces:
                async for piece in pieces:
                    if not isinstance(piece, llm.TextDelta):
                        finish = piece
                        continue
                    running.text += piece.text
                    running.fresh.set()
                    failpoints.hit("mid_stream")
                    if telling is None:
                        metrics.FIRST_TOKEN[provider.name].observe(time.monotonic() - asked_at)
                        await self._tell(running)
                        telling = asyncio.create_task(self._keep_telling(running))
        finally:
            if telling is not None:
                try:
                    async with running.telling:  # a push broken off would cost the layer its connection
                        pass
                finally:
                    telling.cancel()
        metrics.CALL[provider.name].observe(time.monotonic() - asked_at)
        text = running.text
        if finish.reason in ("refusal", "content_filter"):
            text = _("This is a good question for your teacher. Please ask them.")
        return queue.Answer(
            text=text, type=finish.response_type, provider=provider.name, model=finish.model,
            citations=await self._citations(text, request), truncated=finish.truncated,
            prompt_tokens=finish.prompt_tokens, completion_tokens=finish.completion_tokens)

    async def _keep_telling(self, running: Running) -> None:
        """Send what comes after the first piece, at most one delta in `DURATIONS.delta`."""
        while True:
            await asyncio.sleep(settings.DURATIONS.delta)
            await running.fresh.wait()
            await self._tell(running)

    @staticmethod
    async def _tell(running: Running) -> None:
        """Send a delta with all that has come since the last but one stored draft, and since the last but one delta.

        So a snapshot taken meanwhile always joins on, and a lost delta is healed by the next, however late it is.
        """
        running.fresh.clear()
        interruption, start = running.claim.interruption, min(running.stored[0], running.told[0])
        running.told = running.told[1], len(running.text)
        frame = messages.InterruptionResponseDelta(
            interruption_id=running.id, attempt=interruption.attempt, from_char=start,
            text=running.text[start:]).encode()
        async with running.telling:
            await events.push(events.session_group(interruption.reading_session_id), [frame])
            await events.push(events.room_group(interruption.classroom_id), [frame])

    async def _retry_or_fail(self, running: Running, error: llm.ProviderError) -> None:
        claim = running.claim
        attempt = claim.interruption.attempt
        metrics.FAILED_CALLS[error.code].inc()
        logger.warning("Attempt %d of question %s failed: %s (%s).", attempt, running.id, error.code, error,
                       extra=claim.interruption.trail)
        delay = error.retry_after if error.retry_after is not None else settings.DURATIONS.retry * 2 ** (attempt - 1)
        in_time = time.monotonic() + delay < running.deadline
        if error.retriable and attempt < settings.LIMITS.attempts and in_time:
            await self._insist(queue.retry, claim, delay=delay)
            asyncio.get_running_loop().call_later(delay, self.wake)
        else:
            await self._fail(claim, error.code)

    async def _fail(self, claim: queue.Claim, code: str) -> None:
        if await self._insist(queue.fail, claim, code=code, fallback=await self._fallback(claim.interruption)):
            logger.info("A question failed: %s.", code, extra=claim.interruption.trail)

    async def _insist(self, function, *args, **kwargs) -> bool:
        """Run a final write until it succeeds, or `_let_go` ends it, for the sweep to take over; True if the claim held."""
        while True:
            try:
                return await self._database.run(function, *args, **kwargs)
            except Exception:
                logger.exception("An outcome could not be stored; trying again.")
                await asyncio.sleep(settings.DURATIONS.retry)

    # ---- Providers

    async def _provider(self, name: str) -> llm.Provider:
        async with self._making:
            if name not in self._providers:
                # On a thread: importing the openai package takes half a second, for which every socket would wait.
                self._providers[name] = await asyncio.to_thread(make_provider, name)
        return self._providers[name]

    async def _request(self, interruption: Interruption) -> llm.TutorRequest:
        """Return what a provider may know: the text so far, the place, the question, the reading level. No names."""
        text, reading_session, context = interruption.text, interruption.reading_session, interruption.context
        paragraphs = await self._database.run(texts.paragraphs, text.pk, text.revision)
        furthest = max(interruption.word_index, reading_session.furthest_word_index)
        return llm.TutorRequest(
            question=interruption.question_text, paragraphs=paragraphs, text_key=f"{text.pk}:{text.revision}",
            word_index=interruption.word_index, furthest_word_index=furthest,
            visible_to_word=texts.end_of_page(text, furthest), reading_level=text.level,
            language=settings.LANGUAGE_CODE, current_sentence=context.get("current_sentence", ""),
            selected_text=context.get("surrounding_text", ""), student_thought=context.get("student_thought", ""),
            title=text.title)

    @staticmethod
    async def _citations(text: str, request: llm.TutorRequest) -> list[dict]:
        """Return the quotations of an answer, each held against the text, as dicts of the wire."""
        found = await asyncio.to_thread(find_citations, text, request.paragraphs, request.visible_to_word)
        return [messages.Citation(
            paragraph=citation.paragraph, quote=citation.quote, from_word_index=citation.from_word_index,
            to_word_index=citation.to_word_index, verified=citation.verified,
        ).model_dump(mode="json", by_alias=True, exclude_none=True) for citation in found]

    async def _fallback(self, interruption: Interruption) -> dict | None:
        """Return the passage helper's answer for a question that the tutor could not answer; None if it cannot either."""
        if settings.TUTOR_PROVIDER == HELPER:
            return None
        try:
            request = await self._request(interruption)
            helper = await self._provider(HELPER)
            text, _type = await asyncio.to_thread(helper.answer, request)
            return messages.Fallback(
                response_text=text, citations=await self._citations(text, request), provider=HELPER,
            ).model_dump(mode="json", by_alias=True)
        except Exception:
            logger.exception("The passage helper had no answer either.")
            return None
