"""What drf-spectacular cannot see by itself: which addresses are another's alias, and what refusals look like."""

REFUSAL = {
    "type": "object",
    "required": ["code", "message"],
    "description": "Any refusal. `code` is the contract, `message` is for people.",
    "properties": {
        "code": {"type": "string", "examples": ["NOT_FOUND", "INVALID_MESSAGE", "CONFLICT", "RATE_LIMITED"]},
        "message": {"type": "string"},
        "fields": {"type": "object", "description": "What is wrong with which key, where that can be said."},
    },
}


def without_alias(endpoints):
    """Leave out `/api/…`, which is the newest `/api/v…/…` by another name."""
    return [endpoint for endpoint in endpoints if endpoint[0].startswith("/api/v")]


def with_refusals(result, generator, request, public):
    """Give every operation the one body of its refusals."""
    result["components"]["schemas"]["Refusal"] = REFUSAL
    for operation in _operations(result):
        operation["responses"]["default"] = {
            "description": "Refused.",
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Refusal"}}}}
    return result


def strict_in_what_it_takes(result, generator, request, public):
    """Say that requests may hold nothing unknown, and that answers may one day hold more."""
    schemas = result["components"]["schemas"]
    taken: set[str] = set()
    waiting = [name for operation in _operations(result) for name in _named_in(operation.get("requestBody"))]
    while waiting:
        name = waiting.pop()
        if name not in taken:
            taken.add(name)
            waiting += _named_in(schemas[name])
    for name, schema in schemas.items():
        schema.pop("additionalProperties", None)
        if name in taken and schema.get("type") == "object":
            schema["additionalProperties"] = False
    _tidy(schemas)
    return result


def _operations(result) -> list[dict]:
    return [operation for operations in result["paths"].values() for operation in operations.values()]


def _named_in(node) -> list[str]:
    """Return the names of the components that a part of the schema refers to."""
    if isinstance(node, list):
        return [name for part in node for name in _named_in(part)]
    if not isinstance(node, dict):
        return []
    own = [node["$ref"].rpartition("/")[2]] if "$ref" in node else []
    return own + [name for part in node.values() for name in _named_in(part)]


def _tidy(node) -> None:
    """Take out the titles that pydantic makes of names, and say bounds of a union of numbers in JSON Schema's words."""
    for part in node if isinstance(node, list) else node.values() if isinstance(node, dict) else ():
        _tidy(part)
    if isinstance(node, dict):
        if isinstance(node.get("title"), str):
            del node["title"]
        for ours, theirs in (("ge", "minimum"), ("le", "maximum")):
            if isinstance(node.get(ours), int | float):
                node[theirs] = node.pop(ours)
