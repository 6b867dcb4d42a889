"""Programs that speak JSON to the API, for the tests: with a person's cookie, with a token, or a stranger's."""

import json
from dataclasses import dataclass, field
from typing import Any

from django.test import Client

from tests.people import Person, browser


@dataclass
class Said:
    """What the API answered."""

    status: int
    body: Any
    headers: Any


@dataclass
class Program:
    """Sends JSON and reads JSON. The paths are those below `/api/v1/`."""

    client: Client
    headers: dict[str, str] = field(default_factory=dict)

    def __call__(self, method: str, path: str, body: Any = None, *, raw: bytes | str | None = None) -> Said:
        url = path if path.startswith("/") else f"/api/v1/{path}"
        data = raw if raw is not None else b"" if body is None else json.dumps(body)
        response = self.client.generic(method, url, data, content_type="application/json", headers=self.headers)
        is_json = response.get("Content-Type", "").startswith("application/json")
        return Said(response.status_code, response.json() if is_json and response.content else None, response.headers)

    def get(self, path: str) -> Said:
        return self("GET", path)

    def post(self, path: str, body: Any = None) -> Said:
        return self("POST", path, body)

    def put(self, path: str, body: Any = None) -> Said:
        return self("PUT", path, body)

    def patch(self, path: str, body: Any = None) -> Said:
        return self("PATCH", path, body)

    def delete(self, path: str) -> Said:
        return self("DELETE", path)

    def all_of(self, path: str) -> list[list[dict]]:
        """Return every page of a list, following `next` to the end."""
        pages = []
        while path:
            said = self.get(path)
            assert said.status == 200, said
            pages.append(said.body["results"])
            path = said.body["next"]
        return pages


def program(person: Person | None = None, *, token: str = "") -> Program:
    return Program(browser(person), {"Authorization": f"Token {token}"} if token else {})
