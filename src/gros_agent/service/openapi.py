"""Describes the web interface as OpenAPI 3.1, from its calls and the types of their answers."""

from collections.abc import Iterable
from typing import Any

import msgspec

from gros_agent.service.calls import Call, Parameter, Reply
from gros_agent.service.responses import Problem

_INTRODUCTION = (
    "The state of this agent, and its runs. GET calls answer HEAD as well. Every error has one format. "
    "Requests must name a host that AGENT_HOST lists and carry the token AGENT_TOKEN, where these are set."
)
_GUARDED = {
    401: Reply("The token is missing or wrong.", Problem),
    403: Reply("The request names another host.", Problem),
}


def document(calls: Iterable[Call], version: str) -> dict[str, Any]:
    """The OpenAPI document for all calls."""
    listed = tuple(calls)
    types = {Problem} | {
        reply.content for call in listed for reply in call.replies.values() if isinstance(reply.content, type)
    }
    _, components = msgspec.json.schema_components(
        sorted(types, key=lambda one: one.__name__), ref_template="#/components/schemas/{name}"
    )
    paths: dict[str, dict[str, Any]] = {}
    for call in listed:
        paths.setdefault(call.path, {})[call.method.lower()] = _operation(call)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "gros-agent",
            "version": version,
            "description": _INTRODUCTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{}, {"bearer": []}, {"basic": []}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "The token AGENT_TOKEN."},
                "basic": {"type": "http", "scheme": "basic", "description": "The same as the password of any user."},
            },
        },
    }


def _operation(call: Call) -> dict[str, Any]:
    replies = call.replies if call.is_open else _GUARDED | dict(call.replies)
    content: dict[str, Any] = {
        "operationId": call.handler.__name__,
        "summary": call.summary,
        "responses": {str(status): _response(replies[status]) for status in sorted(replies)},
    }
    if call.about:
        content["description"] = call.about
    if call.parameters:
        content["parameters"] = [_parameter(one) for one in call.parameters]
    if call.is_open:
        content["security"] = []
    return content


def _response(reply: Reply) -> dict[str, Any]:
    if isinstance(reply.content, str):
        return {"description": reply.meaning, "content": {reply.content: {}}}
    schema = {"$ref": f"#/components/schemas/{reply.content.__name__}"}
    return {"description": reply.meaning, "content": {"application/json": {"schema": schema}}}


def _parameter(parameter: Parameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "in": "path" if parameter.in_path else "query",
        "required": parameter.in_path,
        "description": parameter.meaning,
        "schema": dict(parameter.schema),
    }
