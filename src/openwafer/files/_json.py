"""JSON that somebody else wrote."""

from __future__ import annotations

import json
from typing import Any, cast

from openwafer.diag import Source, Span, error
from openwafer.files._depth import begin, is_deep, too_deep


def parse_json(source: Source, id: str) -> dict[str, Any]:
    """The object that a JSON text is. Diagnostics: `id`, with the place where the text is wrong."""
    try:
        document: object = json.loads(source.text)
    except json.JSONDecodeError as reason:
        at = min(reason.pos, len(source.text))
        raise error(id, f"not valid JSON: {reason.msg}", Span(source, at, at)) from None
    except RecursionError:
        raise too_deep(source, id) from None
    except ValueError:
        raise error(id, "a number too long", begin(source)) from None
    if is_deep(document):
        raise too_deep(source, id)
    if "\\ud" in source.text.lower() and not _is_text(document):
        raise error(id, "a string with one half of a surrogate pair, which is no text", begin(source))
    if not isinstance(document, dict):
        found = json.dumps(document)[:40]
        raise error(id, f"expected a JSON object, found `{found}`", begin(source))
    return cast(dict[str, Any], document)


def _is_text(document: object) -> bool:
    """Whether all strings can be printed and stored."""
    try:
        json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True
