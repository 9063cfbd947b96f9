"""Content blocks: the pieces of which an agent's answer is made."""

from __future__ import annotations

import json
from typing import Any

Block = dict[str, Any]
Button = dict[str, str]


def block(block_id: str, block_type: str, content: str, **metadata: Any) -> Block:
    """Return a block; metadata that is None is left out, and so is empty metadata."""
    made: Block = {"id": block_id, "block_type": block_type, "content": content}
    kept = {name: value for name, value in metadata.items() if value is not None}
    return made | {"metadata": kept} if kept else made


def tool(block_id: str, name: str, status: str, given: object, got: object = None) -> Block:
    """Return a tool call: `status` is running, completed or failed; input and output travel as JSON
    strings."""
    return block(
        block_id,
        "tool",
        name,
        tool_name=name,
        tool_input=json.dumps(given, ensure_ascii=False),
        tool_output=None if got is None else json.dumps(got, ensure_ascii=False),
        tool_status=status,
    )


def button(button_id: str, title: str, action: str, style: str = "secondary", icon: str = "") -> Button:
    made = {"id": button_id, "title": title, "style": style, "action": action}
    return made | {"icon": icon} if icon else made


def plain_text(blocks: list[Block]) -> str:
    """Return the text for a client without block support: the texts and the code, in order."""
    parts = []
    for one in blocks:
        if one["block_type"] == "code":
            parts.append(f"```{one.get('metadata', {}).get('language', '')}\n{one['content']}\n```")
        elif one["block_type"] in ("text", "error", "status", "cancel"):
            parts.append(one["content"])
    return "\n\n".join(part for part in parts if part)
