"""The pictures of docs/explanation: boxes and arrows as SVG, light or dark as the reader's system is.

``python docs/diagrams.py`` writes them anew; a test sees to it that they are what is said here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from pathlib import Path

FOLDER = Path(__file__).parent / "explanation"
STYLE = """\
<style>
.card { fill: #f7f9fc } .box { fill: #e3ecfa; stroke: #4a6fa5 } .ours { fill: #e5f4e3; stroke: #4f8a4b }
.code { fill: #ffffff; stroke: #9aa5b1 } text { font: 13px sans-serif; fill: #1d2733 }
.mono { font-family: monospace; font-size: 12px } .small { font-size: 11px; fill: #4b5866 }
.line { stroke: #4b5866; fill: none; stroke-width: 1.4 } .head { fill: #4b5866 }
@media (prefers-color-scheme: dark) {
.card { fill: #1b2028 } .box { fill: #24364f; stroke: #6f97d0 } .ours { fill: #233a25; stroke: #76b571 }
.code { fill: #262c36; stroke: #667180 } text { fill: #e4e9f0 } .small { fill: #a9b4c0 }
.line { stroke: #a9b4c0 } .head { fill: #a9b4c0 }
}
</style>
<defs><marker id="to" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">
<path class="head" d="M0 0 L8 4 L0 8 z"/></marker></defs>"""


@dataclass
class Picture:
    """Boxes and arrows on a card of so many pixels; *title* is what it shows, for those who cannot see it."""

    title: str
    width: int
    height: int
    parts: list[str] = field(default_factory=list)

    def box(self, x: int, y: int, width: int, *lines: str, kind: str = "box", mono: bool = False) -> None:
        """A box with a line of text for each of *lines*; those behind the first are small."""
        height = 14 + 17 * len(lines)
        self.parts.append(f'<rect class="{kind}" x="{x}" y="{y}" width="{width}" height="{height}" rx="5"/>')
        for number, line in enumerate(lines):
            words = "mono" if mono else "small" if number else ""
            at = f'x="{x + (10 if mono else width / 2):g}" y="{y + 20 + 17 * number}"'
            anchor = "" if mono else ' text-anchor="middle"'
            self.parts.append(f'<text class="{words}" {at}{anchor}>{escape(line)}</text>')

    def arrow(self, *points: tuple[int, int], text: str = "", at: tuple[int, int] | None = None) -> None:
        """A line through *points* with a head at its end."""
        path = " L".join(f"{x} {y}" for x, y in points)
        self.parts.append(f'<path class="line" d="M{path}" marker-end="url(#to)"/>')
        if text:
            x, y = at or points[0]
            self.note(x, y, text)

    def note(self, x: int, y: int, text: str) -> None:
        """Small text that begins at a point."""
        self.parts.append(f'<text class="small" x="{x}" y="{y}">{escape(text)}</text>')

    def svg(self) -> str:
        """The whole file."""
        size = f'width="{self.width}" height="{self.height}" viewBox="0 0 {self.width} {self.height}"'
        head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">'
        title = f"<title>{escape(self.title)}</title>"
        card = f'<rect class="card" width="{self.width}" height="{self.height}" rx="8"/>'
        return "\n".join([head, title, STYLE, card, *self.parts, "</svg>"]) + "\n"


def slot() -> Picture:
    """What happens at a probed instruction that is executed out of line."""
    made = Picture("A breakpoint in the text, and the displaced instruction in a slot", 720, 270)
    made.note(20, 24, "the program's text")
    made.box(20, 34, 250, "sub  sp, sp, #0x20", kind="code", mono=True)
    made.box(20, 72, 250, "brk  #5        (was: stp x29, x30, ..)", kind="ours", mono=True)
    made.box(20, 110, 250, "add  x29, sp, #0x10", kind="code", mono=True)
    made.note(430, 24, "the core")
    made.box(430, 34, 270, "1  handlers of all consumers", "entry values, conditions, arguments")
    made.box(430, 112, 270, "2  simulate, or step, or refuse", "what the architecture said of the word")
    made.note(430, 246, "the slot area, in the program's memory")
    made.box(430, 196, 270, "stp  x29, x30, [sp, #0x10]", kind="ours", mono=True)
    made.arrow((270, 84), (360, 84), (360, 58), (428, 58), text="trap", at=(300, 78))
    made.arrow((565, 82), (565, 110))
    made.arrow((565, 160), (565, 194), text="3  one step", at=(575, 182))
    made.arrow((430, 212), (145, 212), (145, 144), text="4  PC behind the probed place", at=(190, 228))
    return made


def modes() -> Picture:
    """How one probed place is executed in each mode."""
    made = Picture("Three ways to notice that a place is reached", 720, 250)
    for x, name, place, hit in (
        (20, "trap", "breakpoint in the text|as a kernel has it", "handlers, then a slot|and a single step"),
        (
            260,
            "jump",
            "breakpoint, as in trap|the slot branches back",
            "handlers, then the slot|runs on by itself",
        ),
        (
            500,
            "inline",
            "nothing in the text|a hook in the translation",
            "handlers, then the|instruction in place",
        ),
    ):
        made.box(x, 30, 200, f"--mode {name}")
        made.box(x, 92, 200, *place.split("|"), kind="code")
        made.box(x, 176, 200, *hit.split("|"), kind="ours")
        made.arrow((x + 100, 61), (x + 100, 90))
        made.arrow((x + 100, 140), (x + 100, 174))
    return made


def returns() -> Picture:
    """Two ways to see a function return."""
    made = Picture("Two ways to see a return", 720, 290)
    made.note(20, 24, "--returns hijack: as a kernel does it")
    made.box(20, 34, 190, "entry of the function", "x30 is replaced")
    made.box(265, 34, 190, "the function returns", "to the trampoline")
    made.box(510, 34, 190, "handlers of the return", "then to the caller", kind="ours")
    made.arrow((210, 58), (263, 58))
    made.arrow((455, 58), (508, 58))
    made.note(20, 114, "the program can see the address of the trampoline in x30 and on its stack")
    made.note(20, 164, "--returns watch: nothing of the program is changed")
    made.box(20, 174, 190, "entry of the function", "return address, stack pointer")
    made.box(265, 174, 190, "the return address", "is reached, by whom?")
    made.box(510, 174, 190, "handlers of the return", "if the stack is as it was", kind="ours")
    made.arrow((210, 198), (263, 198))
    made.arrow((455, 198), (508, 198))
    made.note(20, 254, "a call that an exception or a longjmp ended is counted as missed, with that reason")
    return made


def hit() -> Picture:
    """From an event line to a line of output."""
    made = Picture("How a hit flows", 720, 400)
    made.note(20, 24, "before the run")
    made.box(20, 34, 200, "event line", "p:work ./loop:work a=%x0")
    made.box(260, 34, 200, "places and programs", "file offset; REG(0), ST_RAW")
    made.box(500, 34, 200, "verdict of the word", "step, simulate or reject")
    made.arrow((220, 58), (258, 58))
    made.arrow((460, 58), (498, 58))
    made.note(20, 124, "at each mapping of the file")
    made.box(260, 134, 440, "a uprobe: breakpoint or hook, in every process that maps the file")
    made.arrow((600, 82), (600, 132))
    made.note(20, 204, "at a hit")
    made.box(20, 214, 150, "backend", "trap or hook", kind="code")
    made.box(200, 214, 150, "chain", "consumers in order")
    made.box(380, 214, 150, "filter, fetch", "conditions, arguments")
    made.box(560, 214, 140, "action", "count, record, call", kind="ours")
    for x in (170, 350, 530):
        made.arrow((x, 238), (x + 28, 238))
    made.arrow((480, 165), (480, 188), (95, 188), (95, 212))
    made.note(20, 304, "at the end")
    made.box(200, 314, 330, "what forked processes found is merged in")
    made.box(560, 314, 140, "reports, files", kind="ours")
    made.arrow((630, 262), (630, 312))
    made.arrow((530, 329), (558, 329))
    made.note(200, 372, "up to the action it is one function in C where all of it can be said in advance")
    return made


PICTURES = {"slot": slot, "modes": modes, "returns": returns, "hit": hit}


def main() -> None:
    """Write all of them."""
    for name, make in PICTURES.items():
        (FOLDER / f"{name}.svg").write_text(make().svg(), encoding="utf-8")


if __name__ == "__main__":
    main()
