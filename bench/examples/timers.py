"""The timers of the published measurements, put into the vendor's examples that have none of their own.

The published numbers (`[published]`, FAB) come from the examples with time stamps added: either two
functions that the host launches before and after the work, or stamps inside a task. The same is done here
to a copy of an example, so that both numbers enclose the same work; what is printed is the last stamp of
all PEs less the first.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

PROGRAM = """
const openwafer_time = @import_module("<time>");
var openwafer_start = @zeros([3]u16);
var openwafer_end = @zeros([3]u16);
var openwafer_stamps = @zeros([6]u16);
var openwafer_stamps_pointer: [*]u16 = &openwafer_stamps;

fn openwafer_enable() void {
  openwafer_time.enable_tsc();
  sys_mod.unblock_cmd_stream();
}
fn openwafer_tic() void {
  openwafer_time.get_timestamp(&openwafer_start);
  sys_mod.unblock_cmd_stream();
}
fn openwafer_toc() void {
  openwafer_time.get_timestamp(&openwafer_end);
  sys_mod.unblock_cmd_stream();
}
fn openwafer_show() void {
  for (@range(i16, 3)) |i| {
    openwafer_stamps[i] = openwafer_start[i];
    openwafer_stamps[i + 3] = openwafer_end[i];
  }
  sys_mod.unblock_cmd_stream();
}
comptime {
  @export_symbol(openwafer_stamps_pointer, "openwafer_stamps");
  @export_symbol(openwafer_enable);
  @export_symbol(openwafer_tic);
  @export_symbol(openwafer_toc);
  @export_symbol(openwafer_show);
}
"""
LAYOUT = """
  @export_name("openwafer_stamps", [*]u16, true);
  @export_name("openwafer_enable", fn()void);
  @export_name("openwafer_tic", fn()void);
  @export_name("openwafer_toc", fn()void);
  @export_name("openwafer_show", fn()void);
}
"""
TIC = 'runner.launch("openwafer_enable", nonblock=False); runner.launch("openwafer_tic", nonblock=False)\n'
TOC = 'runner.launch("openwafer_toc", nonblock=False)\n'
SHOW = """runner.launch("openwafer_show", nonblock=False)
openwafer_words = np.zeros({w} * {h} * 6, np.uint32)
runner.memcpy_d2h(openwafer_words, runner.get_id("openwafer_stamps"), {x}, {y}, {w}, {h}, 6, streaming=False,
    order=MemcpyOrder.ROW_MAJOR, data_type=MemcpyDataType.MEMCPY_16BIT, nonblock=False)
openwafer_cycles = openwafer_words.reshape(-1, 2, 3).astype(np.int64) @ (1 << np.array([0, 16, 32]))
print("cycles_send =", openwafer_cycles[:, 1].max() - openwafer_cycles[:, 0].min())
"""
START = "openwafer_time.get_timestamp(&openwafer_start);"
END = "openwafer_time.get_timestamp(&openwafer_end);"


@dataclass(frozen=True, slots=True)
class Timer:
    """Where the stamps go.

    `programs` get the functions, `layout` their exports. `work` are the host's lines (how the first and
    the last begin) between the launches of the two stamps, none if stamps are `inside`: (file, text, what
    comes in its place). `area` are the PEs whose stamps count: x, y, width, height as the host script
    calls them."""

    programs: tuple[str, ...]
    layout: str
    area: tuple[str, str, str, str]
    work: tuple[str, str] | None = None
    inside: tuple[tuple[str, str, str], ...] = ()

    def add_to(self, folder: Path) -> None:
        """ValueError: a text that is not there."""
        for name in self.programs:
            path = folder / name
            path.write_text(path.read_text() + PROGRAM)
        layout = (folder / self.layout).read_text().rstrip()
        (folder / self.layout).write_text(layout.removesuffix("}") + LAYOUT)
        for name, text, replacement in self.inside:
            _replace(folder / name, text, replacement)
        script = folder / "run.py"
        lines = script.read_text().splitlines(keepends=True)
        if self.work:
            first, last = (_line(lines, text) for text in self.work)
            end = next(i for i in range(last, len(lines)) if lines[i].rstrip().endswith(")"))
            lines.insert(end + 1, _indented(TOC, lines[first]))
            lines.insert(first, _indented(TIC, lines[first]))
        stop = _line(lines, "runner.stop()")
        x, y, w, h = self.area
        lines.insert(stop, _indented(SHOW.format(x=x, y=y, w=w, h=h), lines[stop]))
        script.write_text("".join(lines))


def _replace(path: Path, text: str, replacement: str) -> None:
    source = path.read_text()
    if text not in source:
        raise ValueError(f"{path.name} has no `{text}`")
    path.write_text(source.replace(text, replacement, 1))


def _line(lines: list[str], start: str) -> int:
    """The first line that begins so."""
    found = next((i for i, line in enumerate(lines) if line.lstrip().startswith(start)), None)
    if found is None:
        raise ValueError(f"run.py has no line that begins with `{start}`")
    return found


def _indented(text: str, like: str) -> str:
    margin = like[: len(like) - len(like.lstrip())]
    return "".join(margin + line for line in text.splitlines(keepends=True))
