"""`docs/api.md` says what the API does: the same addresses and methods, and its program runs against the real server."""

import ast
import asyncio
import re
import sys
from pathlib import Path

from drf_spectacular.generators import SchemaGenerator

from classrooms.models import Text
from tests.people import stored
from tests.processes import PATIENCE, site

PAGE = (Path(__file__).parent.parent / "docs" / "api.md").read_text()


def test_the_page_has_every_address_with_its_methods():
    rows = re.findall(r"^\| `(/[^`]*)` \| ([A-Z, ]+) \|", PAGE, flags=re.M)
    described = {f"/api/v1{path}": set(methods.split(", ")) for path, methods in rows}
    paths = SchemaGenerator().get_schema(request=None, public=True)["paths"]
    assert described == {path: {method.upper() for method in operations} for path, operations in paths.items()}


async def test_the_program_of_the_page_reads_and_asks(alice, story, model, tmp_path):
    program = tmp_path / "client.py"
    program.write_text(re.search(r"```python\n(.*?)```", PAGE, flags=re.S)[1])
    async with site(model, tmp_path, TUTOR_PROVIDER="passage_helper", TUTOR_EMBEDDED="1") as running:
        server = await running.serve()
        process = await asyncio.create_subprocess_exec(
            sys.executable, str(program), f"http://127.0.0.1:{server.port}", alice.classroom.code_display, "alice", "1234",
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT)
        async with asyncio.timeout(PATIENCE):
            said = (await process.communicate())[0].decode()
        assert process.returncode == 0, said
    title, answer = said.splitlines()
    assert title == (await stored(Text.objects.get)).title
    answer = ast.literal_eval(answer)
    assert "A burrow is a home" in answer["responseText"] and answer["provider"] == "passage_helper"
