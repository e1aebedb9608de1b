"""The app as a table of contents: header, one tab per module, and the server that shows it.

It knows no tab's contents; `studio.page` holds what they share.
"""

import contextlib
import hmac
import io
import os
import signal
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import gradio as gr
from fastapi import FastAPI
from starlette.middleware import Middleware

from engine.assets import assets_folder
from engine.export.finished import finished_workspace
from engine.serve.binding import is_loopback
from engine.workspace.folders import Workspace
from studio.jobs import runs as jobs
from studio.jobs.places import Places, guard_places
from studio.look import cards
from studio.look.cards import glossary, theme_switch, tour
from studio.look.theme import StudioTheme, style_sheet
from studio.page.page import Page, connect, create_page, first_sight, run_classes
from studio.page.place import FOLLOW_LINKS, read_query
from studio.server import api
from studio.server.beside import Beside, MayEnter
from studio.server.binding import check_bind, free_port
from studio.server.first_sight import FirstSight
from studio.server.guard import Guard, Pictures
from studio.server.looks import Looks
from studio.server.patience import patient_server
from studio.server.signatures import remember_signatures
from studio.server.waiting import kept_for_good, told_if_slow, wait_until_up
from studio.tabs import doctor, training
from studio.tabs.arena import tab as arena
from studio.tabs.compare import tab as compare
from studio.tabs.filters import FIND_SCRIPT
from studio.tabs.home import tab as home
from studio.tabs.images import tab as images
from studio.tabs.launch import tab as launch
from studio.tabs.live import tab as live
from studio.tabs.pairs import tab as pairs
from studio.tabs.sql import tab as sql
from studio.tabs.traces import tab as traces
from studio.tabs.versions import tab as versions

MAX_UPLOAD = 512 * 1024 * 1024
"""Bytes of one uploaded file: a zip of a few thousand photographs. Single pictures have a lower limit of their own."""

FINISHED = "/finished"
"""Where the finished run that ships with the project is shown."""

_NO_DOCS: dict[str, Any] = {"docs_url": None, "redoc_url": None}

_FILE_LIFE = (3600, 24 * 3600)
"""Seconds: uploaded and downloaded temporary files are looked at hourly and deleted after a day."""


TABS = (
    home.TAB,
    images.TAB,
    launch.TAB,
    pairs.TAB,
    traces.TAB,
    training.TAB,
    versions.TAB,
    compare.TAB,
    live.TAB,
    arena.TAB,
    sql.TAB,
    doctor.TAB,
)
"""In the order shown; the first is open at the start."""


def build_app(workspace: Workspace, *, way_back: str | None = None) -> tuple[gr.Blocks, Page]:
    """The whole page for one workspace. Building reads folder names only, so it costs no more with a large one.

    `way_back`: where the visitor's own workspace is, for a page that is opened beside it.
    """
    remember_signatures()
    with gr.Blocks(title="Judge Studio", analytics_enabled=False, delete_cache=_FILE_LIFE) as app:
        header, heart, run = _head(workspace, way_back)
        tabs = gr.Tabs(elem_classes="st-tabs-main", render=False)
        # What nobody sees stands before the tabs: Gradio looks for a component from the top, through all of them.
        page = create_page(workspace, run=run, tabs=tabs)
        tabs.render()
        with tabs:
            for tab in TABS:
                with gr.Tab(tab.label, id=tab.key, elem_id=f"tab-{tab.key}"):
                    if tab is not TABS[0]:  # Home's is the name of the run
                        gr.HTML(cards.element("h1", cards.esc(tab.label)), elem_classes="st-sr")
                    tab.build(page)
        connect(page, TABS, header, heart)
        api.declare(page)
    _keep_private(app)
    return app, page


def _head(workspace: Workspace, way_back: str | None) -> tuple[gr.HTML, gr.HTML, gr.Dropdown]:
    """The row above the tabs: name, sign of life, and the run that is shown."""
    is_shipped = workspace.is_read_only
    scripts = [FOLLOW_LINKS, FIND_SCRIPT, theme_switch.SCRIPT, glossary.script(), tour.script(starts_itself=is_shipped)]
    with gr.Row(elem_classes="st-bar"):
        header = gr.HTML(
            cards.sheet(cards.brand("a finished run, read-only" if is_shipped else shown_path(workspace.root))),
            js_on_load="".join(scripts),
            apply_default_css=False,
        )
        heart = gr.HTML(apply_default_css=False, elem_classes="st-heart", min_width=20)
        names = [run.name for run in workspace.runs()]
        run = gr.Dropdown(
            names,
            value=names[0] if names else None,
            label="Run",
            container=False,
            show_label=False,
            scale=0,
            min_width=180,
            elem_classes=run_classes(names),
            elem_id="st-run",
        )
    if is_shipped:
        gr.HTML(cards.sheet(cards.shipped_note(way_back)), apply_default_css=False)
    return header, heart, run


def _keep_private(app: gr.Blocks) -> None:
    """Listeners are no public API unless they were declared with `gr.api`, which alone has no trigger at all.

    A step behind another one (`.then`) has a trigger too, though no component pulls it.
    """
    for listener in app.fns.values():
        if listener.api_name is False or listener.targets:
            listener.api_visibility = "private"


def shown_path(folder: Path) -> str:
    """The folder as a person would write it: relative to here or to the home folder where that is shorter."""
    if Places.are_guarded:
        return folder.name
    for base, sign in ((Path.cwd(), "."), (Path.home(), "~")):
        if folder.is_relative_to(base):
            return str(Path(sign) / folder.relative_to(base)) if sign == "~" else f"./{folder.relative_to(base)}"
    return str(folder)


def listen(app: gr.Blocks, page: Page, *, host: str, port: int, auth: tuple[str, str] | None, mcp: bool = False) -> str:
    """Start serving in a background thread; the address.

    `mcp`: the public endpoints are tools of the Model Context Protocol too, below /gradio_api/mcp/.
    """
    around = [
        Middleware(Guard, local_only=auth is None and is_loopback(host)),
        Middleware(Beside, path=FINISHED, make=finished_app, may_enter=_who_may_enter(app, auth)),
        *_around(app, page),
    ]
    # Gradio announces its MCP server whatever `quiet` says; what is at hand is said by `serve`.
    with patient_server(host), contextlib.redirect_stdout(io.StringIO()):
        _, address, _ = app.launch(
            server_name=host,
            server_port=port or free_port(host),
            auth=_is_known(auth) if auth else None,
            auth_message="The password is in the file that --auth named." if auth else None,
            favicon_path=str(assets_folder() / "logo.svg"),
            mcp_server=mcp,
            share=False,
            quiet=True,
            prevent_thread_lock=True,
            _frontend=False,  # its own look at localhost has no patience; `wait_until_up` has
            app_kwargs={"middleware": around, **_NO_DOCS},
            **_shown_as(page.workspace),
        )
    wait_until_up(f"{address}theme.css")  # any answer will do, and the page itself is long
    return str(address)


def _around(app: gr.Blocks, page: Page) -> list[Middleware]:
    """What stands around each of the two pages of a server."""
    return [
        Middleware(Looks, queue=lambda: app._queue),
        Middleware(
            FirstSight,
            components=lambda: app.config["components"],
            draw=lambda query: first_sight(page, read_query(query)),
        ),
        Middleware(Pictures, root=page.workspace.root),
    ]


def _shown_as(workspace: Workspace) -> dict[str, Any]:
    """Theme, limits and what may be read: the same for both pages of a server."""
    return {
        "theme": StudioTheme(),
        "css": style_sheet(),
        "footer_links": ["api"],
        "allowed_paths": [str(workspace.images), str(workspace.uploads / "incoming")],
        "blocked_paths": [str(workspace.images / "seen.jsonl"), str(workspace.runs_folder), str(workspace.notes)],
        "max_file_size": MAX_UPLOAD,
        "enable_monitoring": False,
        "ssr_mode": False,
        "run_history": False,
        "pwa": False,
        "show_error": True,
    }


def finished_app() -> FastAPI:
    """The finished run that ships with the project, as a page below `FINISHED`."""
    workspace = finished_workspace()
    studio, page = build_app(workspace, way_back="../")
    app = FastAPI(middleware=_around(studio, page))
    gr.mount_gradio_app(app, studio, FINISHED, app_kwargs=_NO_DOCS, **_shown_as(workspace))
    return app


def _is_known(auth: tuple[str, str]) -> Callable[[str, str], bool]:
    def is_known(user: str, password: str) -> bool:
        right_user = hmac.compare_digest(user.encode(), auth[0].encode())
        return hmac.compare_digest(password.encode(), auth[1].encode()) and right_user

    return is_known


def _who_may_enter(app: gr.Blocks, auth: tuple[str, str] | None) -> MayEnter:
    """Everybody without a password; else those to whom the first page gave its cookie."""

    def may_enter(cookies: Mapping[str, str]) -> bool:
        names = (f"access-token-{app.app.cookie_id}", f"access-token-unsecure-{app.app.cookie_id}")
        return any(app.app.tokens.get(cookies.get(name)) is not None for name in names)

    return may_enter if auth else lambda _: True


def serve(
    workspace: Workspace,
    *,
    host: str,
    port: int,
    auth: tuple[str, str] | None,
    open_browser: bool,
    mcp: bool = False,
) -> None:
    """Serve until SIGINT or SIGTERM. Runs that were started go on: they are processes of their own.

    Raises `UsageError` for a bind that others can reach without a password.
    """
    check_bind(host, port, auth is not None)
    os.environ["GRADIO_TEMP_DIR"] = str(workspace.uploads / "incoming")
    jobs.sweep_deleted(workspace)
    if auth is not None:
        guard_places(workspace)
    over = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):  # before the first visitor can see that the page is there
        signal.signal(number, lambda *_: over.set())
    with told_if_slow("Opening the studio"), kept_for_good():
        app, page = build_app(workspace)
        address = listen(app, page, host=host, port=port, auth=auth, mcp=mcp)
    print(f"Judge Studio shows {workspace.root} at {address}", flush=True)
    if mcp:
        print(f"Tools for MCP clients at {address}gradio_api/mcp/", flush=True)
    print("Ctrl-C ends the page; runs go on.", flush=True)
    if open_browser:
        import webbrowser

        webbrowser.open(address)
    over.wait()
    app.close(verbose=False)
