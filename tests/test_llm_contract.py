"""Every provider keeps the one contract of sessions/llm/contract.py."""

import ast
import asyncio
import sys
from contextlib import aclosing
from pathlib import Path

import pytest

import sessions.llm
from sessions.llm import PROVIDERS, Finish, Provider, TextDelta, get_provider
from sessions.llm.citations import find_citations
from tests.passages import ask, paragraphs, word_count
from tests.scripted_model import ScriptedModel


@pytest.fixture
def model():
    with ScriptedModel() as model:
        model.says("A burrow is ", "“a home dug in the ground” [¶7]", ".")
        yield model


@pytest.fixture(params=sorted(PROVIDERS))
async def provider(request, model):
    options = {
        "openai": {"api_key": "test", "base_url": model.url, "model": "scripted-1"},
        "passage_helper": {"pace": 0.001},
    }
    provider = get_provider(request.param, **options[request.param])
    yield provider
    await provider.close()


async def test_pieces_then_one_finish(provider):
    items = [item async for item in provider.stream(ask("What is a burrow?"))]
    assert isinstance(items[-1], Finish)
    assert items[-1].reason == "stop"
    assert not items[-1].truncated
    assert items[-1].model
    assert len(items) > 2, "the answer streams"
    assert all(isinstance(item, TextDelta) and item.text for item in items[:-1])
    answer = "".join(item.text for item in items[:-1])
    [citation] = find_citations(answer, paragraphs(), word_count())
    assert citation.verified
    assert citation.paragraph == 7


async def test_provider_has_a_name_to_store_and_a_label_to_show(provider):
    assert isinstance(provider, Provider)
    assert PROVIDERS.keys() >= {provider.name}
    assert provider.label


async def test_thirty_questions_run_side_by_side(provider):
    async def whole(question):
        async with aclosing(provider.stream(ask(question))) as stream:
            items = [item async for item in stream]
        return "".join(item.text for item in items[:-1]), items[-1].reason

    answers = await asyncio.gather(*(whole("What is a burrow?") for _ in range(30)))
    assert len(set(answers)) == 1
    assert answers[0][1] == "stop"


async def test_left_in_the_middle_it_lets_go(provider, model):
    model.behaves("drip")
    before = asyncio.all_tasks()
    async with aclosing(provider.stream(ask("What is a burrow?"))) as stream:
        async for _ in stream:
            break
    await model.ended(len(model.requests))
    assert model.current == 0
    await asyncio.sleep(0)
    assert asyncio.all_tasks() <= before


async def test_cancelled_it_ends_at_once(provider, model):
    model.behaves("drip")
    begun = asyncio.Event()

    async def read():
        async for _ in provider.stream(ask("What is a burrow?")):
            begun.set()

    task = asyncio.create_task(read())
    await asyncio.wait_for(begun.wait(), timeout=5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, timeout=5)
    await model.ended(len(model.requests))
    assert model.current == 0


async def test_close_twice(provider):
    await provider.close()
    await provider.close()


def test_unknown_provider_is_named():
    with pytest.raises(ValueError, match="'parrot'; known are openai, passage_helper"):
        get_provider("parrot")


def test_the_package_imports_nothing_of_ours_and_no_django():
    foreign = set()
    for path in Path(sessions.llm.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                foreign |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                foreign.add(node.module.partition(".")[0])
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 1, path
    assert foreign - sys.stdlib_module_names == {"httpx2", "openai", "snowballstemmer"}
