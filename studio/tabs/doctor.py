"""The Doctor tab: versions, device, memory, disk per run, and what each missing extra would enable."""

import threading
import time
from collections.abc import Sequence
from typing import Any

import gradio as gr

from engine.runs import doctor
from engine.runs.doctor import Fact
from engine.workspace.folders import Workspace
from studio.jobs import runs as jobs
from studio.look import cards
from studio.look.cards import Action, Check
from studio.look.sheet import card_html
from studio.page.page import Page, Tab

_KEPT_SECONDS = 300.0
"""Age up to which the device's answer is shown again: asking it imports torch in a child process."""
_TITLES = {
    "installation": "Installation",
    "device": "Device",
    "memory": "Memory",
    "disk": "Disk",
    "extras": "Extras",
}
_ASKING = threading.Lock()
_DEVICE: dict[str, tuple[float, list[Fact]]] = {}


def build(page: Page) -> None:
    """Lay out the Doctor tab and connect its events. Call it inside the app's gr.Tab."""
    facts = card_html()

    def redraw() -> Any:
        yield show_doctor(page.workspace, device_facts(asked=False), is_asking=not _DEVICE)
        yield show_doctor(page.workspace, device_facts(), is_asking=False)

    def look_again(event: gr.EventData) -> Any:
        if getattr(event, "act", "") != "look-again":
            return
        yield show_doctor(page.workspace, [], is_asking=True)
        yield show_doctor(page.workspace, device_facts(fresh=True), is_asking=False)

    page.redraw("doctor", redraw, [], [facts])
    facts.click(look_again, None, facts, **page.turns("doctor"))


def device_facts(*, asked: bool = True, fresh: bool = False) -> list[Fact]:
    """What the device answered, at most five minutes ago; [] without asking it if nobody asked yet."""
    with _ASKING:
        known = _DEVICE.get("facts")
        if known is not None and not fresh and (time.monotonic() - known[0] < _KEPT_SECONDS or not asked):
            return known[1]
        if not asked:
            return []
        found = doctor.device()
        _DEVICE["facts"] = (time.monotonic(), found)
        return found


def show_doctor(workspace: Workspace, device: Sequence[Fact], *, is_asking: bool) -> str:
    """All facts as HTML, one panel per topic."""
    facts = [*doctor.installation(), *device, *doctor.memory(), *doctor.disk(workspace), *doctor.extras()]
    if is_asking:
        facts.append(Fact(topic="device", name="device", found="asking torch, this takes a few seconds", state="note"))
    again = cards.button(Action(label="Look again", act="look-again", small=True, disabled=is_asking))
    panels: list[cards.Html] = []
    for topic, title in _TITLES.items():
        checks = [
            Check(name=fact.name, found=fact.found, state=fact.state, advice=fact.advice)
            for fact in facts
            if fact.topic == topic
        ]
        panels.append(cards.panel(cards.doctor_table(checks), title=title, aside=again if not panels else cards.EMPTY))
    command = cards.panel(cards.padded(cards.command(jobs.command_line("doctor", [], workspace))))
    return cards.sheet(cards.element("div", *panels, command, class_="st-stack"))


TAB = Tab(key="doctor", label="Doctor", build=build)
