"""What wavelets wait for on their way, and where wavelets that are waited for could come from."""

from __future__ import annotations

from openwafer.sim.standstill._snapshot import PORT_NAMES, RAMP, PeState, Place, Route, RouterState
from openwafer.sim.standstill._waits import Cause, Facts, Node, Wait, at, neighbour, port_names, wavelets


def wavelet(facts: Facts, node: Node) -> Wait:
    """A PE that wants a wavelet of a color."""
    place, color = (node.x, node.y), node.number
    pe, router = facts.pe(place), facts.snapshot.routers[place]
    text = f"no wavelet of color {color} comes to {at(place)}"
    route = router.routes.get(color)
    if pe is not None and color in pe.program.host_in and (route is None or not route.tx >> RAMP & 1):
        return Wait(text, next=(Node("from host", *place, color),))
    if route is None:
        return Wait(text, cause=_no_route(place, color, "so none can come"))
    if route.teardown:
        return Wait(text, cause=_torn_down(place, color))
    if not route.tx >> RAMP & 1:
        return Wait(text, cause=_wrong_way(place, color, route, RAMP))
    if route.rejected:
        text += f" (its filter has rejected {wavelets(route.rejected)})"
    return Wait(text, next=(Node("upstream", *place, color),))


def upstream(facts: Facts, node: Node) -> Wait:
    """A router to which no wavelet of a color comes."""
    place, color = (node.x, node.y), node.number
    router = facts.snapshot.routers[place]
    route = router.routes[color]
    if route.teardown:
        return Wait(
            f"the router of {at(place)} takes nothing of color {color}", cause=_torn_down(place, color)
        )
    text = f"the router of {at(place)} takes color {color} from {port_names(route.rx)}"
    for port in range(RAMP):
        if (color, port) in router.queues and not route.rx >> port & 1:
            return Wait(text, cause=_not_taken(router, color, port, route))
    waits = [_source(facts, place, color, port) for port in range(RAMP + 1) if route.rx >> port & 1]
    nodes = tuple(found for found in waits if isinstance(found, Node))
    if nodes:
        return Wait(text, next=nodes)
    causes = [found for found in waits if isinstance(found, Cause)]
    return Wait(text, cause=causes[0] if causes else _no_route(place, color, "no port gives it any"))


def _source(facts: Facts, place: Place, color: int, port: int) -> Node | Cause:
    """What stands behind a port from which a color is taken."""
    if (color, port) in facts.snapshot.routers[place].queues:
        return Node("channel", *place, color, port)
    if port == RAMP:
        return Node("sender", *place, color)
    other = neighbour(place, port)
    router = facts.snapshot.routers.get(other)
    if facts.snapshot.routers[place].routes[color].swaps(port):
        color ^= 1
    route = router.routes.get(color) if router else None
    if router is None:
        message = f"color {color} is to come to {at(place)} from {PORT_NAMES[port]}, where the rectangle ends"
        return Cause("missing-route", message, 90)
    if route is None:
        return _no_route(other, color, f"from which {at(place)} is to get it")
    if route.teardown:
        return _torn_down(other, color)
    if not route.tx >> (port ^ 1) & 1:
        return _wrong_way(other, color, route, port ^ 1)
    return Node("upstream", *other, color)


def _no_route(place: Place, color: int, why: str) -> Cause:
    message = f"{at(place)} has no route for color {color}, {why}"
    return Cause("missing-route", message, 95, "give it one with `@set_color_config`")


def _torn_down(place: Place, color: int) -> Cause:
    message = f"color {color} at {at(place)} is in teardown mode"
    return Cause("teardown", message, 92, "leave it with `<tile_config>`'s `teardown.exit`")


def _wrong_way(place: Place, color: int, route: Route, port: int) -> Cause:
    """A route whose current position does not send to a port."""
    where = f"color {color} at {at(place)} goes to {port_names(route.tx)}, not to {PORT_NAMES[port]}"
    if any(tx >> port & 1 for _, tx in route.positions):
        return Cause("switch-position", f"{where}, in the switch position that it is in", 75)
    return Cause("missing-route", where, 95)


def _not_taken(router: RouterState, color: int, port: int, route: Route) -> Cause:
    waiting = wavelets(router.queues[color, port].count)
    where = f"{waiting} of color {color} stand at port {PORT_NAMES[port]} of {at((router.x, router.y))}"
    message = f"{where}, which takes them from {port_names(route.rx)} only"
    if any(rx >> port & 1 for rx, _ in route.positions):
        return Cause("switch-position", f"{message} in the switch position that it is in", 80)
    return Cause("missing-route", message, 95)


def full_output(facts: Facts, node: Node) -> Wait:
    """An output queue without room."""
    place = node.x, node.y
    pe = facts.pe(place)
    assert pe is not None
    queue = pe.outputs[node.number]
    text = f"output queue {node.number} of {at(place)}, color {queue.color}, is full"
    route = facts.snapshot.routers[place].routes.get(queue.color)
    if queue.color in pe.host_out and (route is None or not route.rx >> RAMP & 1):
        return Wait(text, next=(Node("host out", *place, queue.color),))
    return Wait(text, next=(Node("channel", *place, queue.color, RAMP),))


def channel(facts: Facts, node: Node) -> Wait:
    """Wavelets of a color at an input port of a router that do not go on."""
    place, color, port = (node.x, node.y), node.number, node.port
    router = facts.snapshot.routers[place]
    route = router.routes[color]
    text = f"wavelets of color {color} from {PORT_NAMES[port]} stand in the router of {at(place)}"
    if route.teardown:
        return Wait(text, cause=_torn_down(place, color))
    if not route.rx >> port & 1:
        if port < RAMP:
            return Wait(text, cause=_not_taken(router, color, port, route))
        where = f"the router of {at(place)} takes color {color} from {port_names(route.rx)}, not from its PE"
        is_switch = any(rx >> RAMP & 1 for rx, _ in route.positions)
        return Wait(text, cause=Cause("switch-position" if is_switch else "missing-route", where, 90))
    nodes = [_ahead(facts, place, color, output) for output in range(RAMP + 1) if route.tx >> output & 1]
    causes = [found for found in nodes if isinstance(found, Cause)]
    if causes:
        return Wait(text, cause=causes[0])
    waiting = tuple(found for found in nodes if isinstance(found, Node))
    if waiting:
        return Wait(f"{text}: {port_names(route.tx)} has no room", next=waiting)
    return Wait(text, cause=Cause("under-way", f"{at(place)} can send them on", 10))


def _ahead(facts: Facts, place: Place, color: int, output: int) -> Node | Cause | None:
    """What keeps a wavelet from an output; None if nothing does."""
    if output < RAMP:
        other = neighbour(place, output)
        router = facts.snapshot.routers.get(other)
        pair = router.routes.get(color ^ 1) if router else None
        if pair and pair.swaps(output ^ 1):
            color ^= 1
        queue = router.queues.get((color, output ^ 1)) if router else None
        return Node("channel", *other, color, output ^ 1) if queue and queue.is_full else None
    pe = facts.pe(place)
    id = input_queue(pe, color) if pe else None
    if pe is None or id is None:
        message = f"color {color} goes to {at(place)}, where no input queue is bound to it"
        return Cause("no-input-queue", message, 95, "bind one with `@initialize_queue` or a fabric DSD")
    return Node("full input", *place, id) if pe.inputs[id].is_full else None


def input_queue(pe: PeState, color: int) -> int | None:
    """The input queue that receives a color: the lowest id."""
    return min((id for id, queue in pe.inputs.items() if queue.color == color), default=None)
