"""`extern` declarations: names that another module of the program exports."""

from __future__ import annotations

from collections.abc import Callable

from openwafer.csl.evaluate._eval import Evaluator
from openwafer.csl.evaluate._unit import LayoutUnit
from openwafer.csl.syntax import _ast as ast
from openwafer.csl.syntax._module import Module
from openwafer.csl.values import _types as ty
from openwafer.csl.values._values import Place
from openwafer.diag import Label, error, suggest

Exported = ast.VarDecl | ast.FnDecl


def external(
    ev: Evaluator, decl: Exported, declared: ty.Type | None, place_in: Callable[[Module, Exported], Place]
) -> Place:
    """The place of what a module exports under the linked name of `decl`.

    Diagnostics: wrong-context, extern-not-exported, type-mismatch."""
    if isinstance(ev.unit, LayoutUnit):
        raise error("wrong-context", f"extern `{decl.name}` does not exist in a layout", decl.span)
    wanted = _linked_name(ev, decl)
    module, found = _exported(ev, decl, wanted)
    place = place_in(module, found)
    if declared is not None and place.type != declared:
        label = Label(found.span, f"exported here as {place.type}")
        message = f"extern `{decl.name}` is declared as {declared}, found {place.type}"
        raise error("type-mismatch", message, decl.span, labels=[label])
    return place


def _exported(ev: Evaluator, decl: Exported, wanted: str) -> tuple[Module, Exported]:
    names: set[str] = set()
    for module in list(ev.unit.modules.values()):
        for other in module.file.names.values():
            if isinstance(other, Exported) and other.storage == "export":
                name = _linked_name(Evaluator(ev.unit, module), other)
                names.add(name)
                if name == wanted:
                    return module, other
    message = f"no module of the program exports `{wanted}`"
    raise error("extern-not-exported", message, decl.span, help=suggest(wanted, names))


def _linked_name(ev: Evaluator, decl: Exported) -> str:
    return decl.name if decl.linkname is None else ev.string(decl.linkname, "linked name")
