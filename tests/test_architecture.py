"""The rooms of the code and the arrows between them, read from the source itself."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest
from django.core.management import call_command

ROOT = Path(__file__).resolve().parent.parent
APPS = ("classrooms", "sessions", "readerai_site")

# Who stands above whom in `sessions`: a module imports what has a smaller number, or its own package.
FLOORS = {
    "messages": 0, "llm": 0, "errors": 0, "limits": 0, "failpoints": 0, "safety": 0, "metrics": 0, "loops": 0,
    "sql": 0, "redaction": 1, "providers": 1, "models": 1, "threads": 1, "events": 2, "statements": 2, "arrivals": 3,
    "writes": 3, "services": 4,
    "heartbeat": 5, "tutor": 6, "pulse": 6, "background": 7, "sockets": 8, "consumers": 9, "routing": 10,
    "admin": 10, "receivers": 10, "views": 10, "api": 10, "apps": 11, "urls": 11, "management": 11,
}
ASYNC_ORM = re.compile(
    r"a(get|first|last|latest|earliest|create|count|exists|update|delete|save|iterator|aggregate|in_bulk|contains|explain"
    r"|set|add|remove|clear|refresh_from_db|(bulk|get_or|update_or)_(create|update))")


def modules(*apps: str) -> list[Path]:
    """Return the project's modules, migrations apart."""
    found = [path for app in apps for path in sorted((ROOT / app).rglob("*.py")) if "migrations" not in path.parts]
    assert found
    return found


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), filename=str(path))


def imports(path: Path) -> set[str]:
    """Return every module that a module imports anywhere in it, within functions too; of packages, what is taken."""
    found = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            package = name_of(path).split(".") if path.name == "__init__.py" else name_of(path).split(".")[:-1]
            base = package[:len(package) - node.level + 1] if node.level else []
            origin = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                taken = ROOT.joinpath(*origin.split("."), alias.name)
                is_module = taken.with_suffix(".py").exists() or (taken / "__init__.py").exists()
                found.add(f"{origin}.{alias.name}" if is_module else origin)
    return found


def ours(path: Path) -> set[str]:
    return {name for name in imports(path) if name.split(".")[0] in APPS}


def floor(name: str) -> int:
    return FLOORS[name.split(".")[1]] if "." in name else 0


def calls(path: Path):
    return (node for node in ast.walk(tree(path)) if isinstance(node, ast.Call))


@pytest.mark.parametrize("path", modules("sessions"), ids=name_of)
def test_imports_point_down(path):
    source = name_of(path)
    for target in ours(path):
        if target.startswith("sessions."):
            same_room = source.split(".")[1] == target.split(".")[1]
            assert same_room or floor(target) < floor(source), f"{source} imports {target}, which stands above it"


def test_classrooms_know_nothing_of_reading():
    for path in modules("classrooms"):
        assert {name.split(".")[0] for name in ours(path)} <= {"classrooms"}, name_of(path)


def test_messages_and_providers_stand_alone():
    for path in [*modules("sessions/messages"), *modules("sessions/llm")]:
        package = ".".join(name_of(path).split(".")[:2])
        assert all(name.startswith(package) for name in ours(path)), name_of(path)
        assert not any(name.split(".")[0] in ("django", "channels") for name in imports(path)), name_of(path)


def test_services_know_no_provider_and_no_layer():
    for path in modules("sessions/services"):
        assert {name for name in ours(path) if name.startswith("sessions.llm")} <= {"sessions.llm.contract"}
        assert not any(name.split(".")[0] == "channels" for name in imports(path))


def test_nothing_imports_in_a_circle():
    graph = {name_of(path): ours(path) for path in modules(*APPS)}
    done: set[str] = set()

    def visit(name: str, above: tuple[str, ...]):
        assert name not in above, f"a circle: {' → '.join([*above[above.index(name):], name])}"
        if name not in done:
            for target in sorted(graph.get(name, ())):
                # A package's own modules may take names from one another by way of the package's first page.
                if target != name:
                    visit(target, (*above, name))
            done.add(name)

    for name in graph:
        visit(name, ())


def test_only_events_pushes_and_wakes():
    allowed = {"sessions.events", "readerai_site.layer", "readerai_site.redis_layer"}
    for path in modules(*APPS):
        pushes = [call for call in calls(path) if isinstance(call.func, ast.Attribute) and call.func.attr == "group_send"]
        assert not pushes or name_of(path) in allowed, name_of(path)
        if name_of(path) != "sessions.events":
            assert "tutor.wake" not in [node.value for node in ast.walk(tree(path)) if isinstance(node, ast.Constant)]


@pytest.mark.parametrize("path", modules("sessions"), ids=name_of)
def test_no_asynchronous_orm(path):
    """Its connections live in threads that nobody cleans up; `threads` is the one way."""
    for call in calls(path):
        if isinstance(call.func, ast.Attribute):
            assert not ASYNC_ORM.fullmatch(call.func.attr), f"line {call.lineno}: {call.func.attr}"
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.AsyncFor):
            assert ".objects" not in ast.unparse(node.iter) and ".filter(" not in ast.unparse(node.iter)
    assert name_of(path) == "sessions.threads" or "asgiref.sync" not in imports(path) or "sync_to_async" not in {
        alias.name for node in ast.walk(tree(path)) if isinstance(node, ast.ImportFrom) for alias in node.names}


def test_every_module_says_what_lives_in_it():
    silent = [name_of(path) for path in modules(*APPS, "tests") if tree(path).body and not ast.get_docstring(tree(path))]
    assert silent == []


def test_nothing_is_printed_but_the_last_words_of_a_process():
    printed = [(name_of(path), ast.unparse(call)) for path in modules(*APPS) for call in calls(path)
               if isinstance(call.func, ast.Name) and call.func.id == "print"]
    assert printed == [("readerai_site.embedded", "print(refusal, file=sys.stderr)")]


def test_every_variable_stands_in_the_operations_page():
    named = re.compile(r"""(?:environ\.get\(|environ\[|env_list\(|env_flag\()\s*"([A-Z_]+)\"""")
    read = {name for path in modules(*APPS) for name in named.findall(path.read_text())} - {"DJANGO_SETTINGS_MODULE"}
    page = (ROOT / "docs" / "operations.md").read_text()
    rows = set(re.findall(r"^\| `([A-Z_]+)` \|", page, re.MULTILINE))
    assert "SECRET_KEY" in read and rows == read


@pytest.mark.django_db
def test_migrations_say_what_the_models_say():
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)
