"""The tab clicked through in a real browser: tuned when away, applied, undone; nobody else can press; no trace left."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path

import psutil
import pytest

from tests import browser
from tests.agent.process import agent
from tests.e2e.agent.test_owner import of
from tests.e2e.agent.test_story import SLOW, SLOWED, ended, history, said
from tests.e2e.webui.tab import LAUNCH, PATIENCE, Place, Tab, another_site, prepare, running
from tests.verbs.test_extension import tree
from tests.waiting import wait_for

FAST = "--opt-sdp-attention"


def without_a_trace(place: Place, settings: dict[str, bytes]) -> None:
    """Removes the tab; what it leaves is what was there."""
    place.autotune("extension", "uninstall")
    assert tree(place.root / "extensions") == json.loads((place.root.parent / "before.json").read_text())
    assert {name: (place.root / name).read_bytes() for name in settings} == settings


@pytest.mark.timeout(900)
def test_tuned_when_away_applied_and_undone(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    place = prepare(tmp_path, request.config, "3.41.2")
    settings = {name: (place.root / name).read_bytes() for name in ("config.json", "ui-config.json")}
    with running(place) as address, browser.page() as page:
        tab = Tab(page, address)
        tab.open()
        assert not tab.offers("away") and "autotune service install" in tab.text
        with agent(place.root, SLOWED):
            page.wait("(b => !!b && !b.disabled)(document.querySelector('button[data-verb=\"away\"]'))")
            tab.press("away")
            assert tab.said.startswith("A tune begins when"), tab.said
            page.wait("!!document.querySelector('button[data-verb=\"cancel\"]')")
            assert wait_for(lambda: bool(ended(place.state, "retune")), PATIENCE), said(place.state)
            assert place.launch_file.read_text() == LAUNCH
            page.wait("(b => !!b && !b.disabled)(document.querySelector('button[data-verb=\"apply\"]'))")
            assert FAST in tab.text and "interval" in tab.text
            tab.press("apply")
            assert "webui-user.sh" in tab.said and "next start" in tab.said, tab.said
            assert place.launch_file.read_text() == LAUNCH.replace(SLOW, FAST)
            assert place.words_by_bash() == [FAST, "--api"]
            page.wait("(b => !!b && !b.disabled)(document.querySelector('button[data-verb=\"undo\"]'))")
            assert not tab.offers("apply") and "In use" in tab.text
            whole_page_is_shown(page)
            tab.press("undo")
            assert page.run("loads") <= 1, "the report loads anew whenever something else is shown"
            page.wait("(b => !!b && !b.disabled)(document.querySelector('button[data-verb=\"apply\"]'))")
            tab.press("apply")
            page.wait("(b => !!b && !b.disabled)(document.querySelector('button[data-verb=\"undo\"]'))")
            others_cannot_press(tab, place)
            visitors_see_and_cannot_press(tab, place)
            assert "Restart it" in tab.text, "the web UI still runs with its old flags"
            tab.press("undo")
            assert "next start" in tab.said, tab.said
            assert place.launch_file.read_bytes() == LAUNCH.encode()
            tab.open()
            page.wait("!document.querySelector('#autotune_tab_place').innerText.includes('Restart it')")
        told = [(row["verb"], row["cause"]) for row in history(place.state)]
        assert told == [("tune", "agent: you asked for it"), *[("apply", "tab"), ("rollback", "tab")] * 2]
    assert not of(place.root)
    without_a_trace(place, settings)


def whole_page_is_shown(page: browser.Page) -> None:
    """The newest page, in a frame that can reach nothing of the web UI."""
    page.run("document.querySelector('.autotune-page summary').click()")
    page.wait("!!document.querySelector('.autotune-frame')")
    assert page.run("document.querySelector('.autotune-frame').getAttribute('sandbox')") == "allow-scripts"
    assert page.run("""fetch(document.querySelector('.autotune-frame').src).then(async r =>
        [r.status, r.headers.get('content-security-policy').startsWith('sandbox allow-scripts;'),
         (await r.text()).includes('--opt-sdp-attention')])""") == [200, True, True]
    assert wait_for(lambda: any(one["type"] == "iframe" and "/autotune-tab/page" in one["url"]
                                for one in page("Target.getTargets")["targetInfos"]), 60)
    page.run("window.loads = 0, document.querySelector('.autotune-frame').addEventListener('load', () => loads++)")


def others_cannot_press(tab: Tab, place: Place) -> None:
    """Another site in the same browser, by every way that a page has, and by a frame over which it lays nothing."""
    before, events = place.launch_file.read_bytes(), len(history(place.state))
    attempts = f"""(async () => {{
        const seen = [];
        for (const more of [{{}}, {{mode: 'no-cors'}}, {{credentials: 'include'}},
                            {{mode: 'no-cors', headers: {{'Content-Type': 'text/plain'}}}},
                            {{headers: {{'Content-Type': 'application/json', 'X-Autotune-Token': 'x'}}}}]) {{
            try {{
                const answer = await fetch('{tab.address}/autotune-tab/press',
                                           {{method: 'POST', body: JSON.stringify({{verb: 'undo'}}), ...more}});
                seen.push(answer.type === 'opaque' ? 'opaque' : answer.status);
            }} catch (fault) {{ seen.push('failed'); }}
            try {{
                const answer = await fetch('{tab.address}/autotune-tab/state', more.mode ? more : {{}});
                seen.push(answer.type === 'opaque' ? 'opaque' : (await answer.text()).includes('token'));
            }} catch (fault) {{ seen.push('failed'); }}
        }}
        return seen;
    }})()"""
    site = f"<!doctype html><title>other</title><iframe src='{tab.address}/' width=1200 height=900></iframe>"
    with another_site(site) as port:
        # Another site, and another origin of what browsers take for the same site.
        for host in ("localhost", "127.0.0.1"):
            tab.page("Page.navigate", url=f"http://{host}:{port}/")
            tab.page.wait(f"document.title === 'other' && location.hostname === '{host}'")
            assert set(tab.page.run(attempts)) <= {"failed", "opaque", 403}
        framed = frame_of(tab.page, tab.address)
        in_frame(tab.page, framed, "[...document.querySelectorAll('button')]"
                 ".find(b => b.textContent.trim() === 'autotune')?.click()")
        assert wait_for(lambda: in_frame(tab.page, framed, "document.querySelectorAll('.autotune-button').length > 1"
                                         " || ([...document.querySelectorAll('button')]"
                                         ".find(b => b.textContent.trim() === 'autotune')?.click(), false)"), 60)
        assert in_frame(tab.page, framed, "[...document.querySelectorAll('.autotune-button')].every(b => b.disabled)")
        assert in_frame(tab.page, framed, "document.querySelector('.autotune-notice').innerText.length > 0")
    assert place.launch_file.read_bytes() == before and len(history(place.state)) == events
    tab.open()


def visitors_see_and_cannot_press(tab: Tab, place: Place) -> None:
    """A visitor through a tunnel, as its headers show: what is in use, and why no button works; no folder."""
    tab.page("Network.enable")
    tab.page("Network.setExtraHTTPHeaders", headers={"X-Forwarded-For": "203.0.113.9"})
    tab.open()
    assert tab.page.run("[...document.querySelectorAll('.autotune-button')].every(b => b.disabled)")
    assert FAST in tab.text and "only in a browser on the machine" in tab.text
    assert str(place.root.parent) not in tab.text
    assert not tab.page.run("!!document.querySelector('.autotune-page')")
    tab.page("Network.setExtraHTTPHeaders", headers={})
    tab.open()


def frame_of(page: browser.Page, address: str) -> str:
    """The id of the frame that shows that address."""
    found: list[str] = []

    def there() -> bool:
        frames = page("Page.getFrameTree")["frameTree"].get("childFrames", [])
        found[:] = [one["frame"]["id"] for one in frames if one["frame"]["url"].startswith(address)]
        return bool(found)

    assert wait_for(there, 60)
    return found[0]


def in_frame(page: browser.Page, frame: str, script: str) -> object:
    """The value of an expression in a frame, in the world of its own that tests have beside its scripts."""
    world = page("Page.createIsolatedWorld", frameId=frame)["executionContextId"]
    found = page("Runtime.evaluate", expression=script, contextId=world, returnByValue=True)
    return found["result"].get("value")


@pytest.mark.parametrize("version", ["3.41.2", "4.44.1"])
def test_gradios_own_login_counts_and_the_note_is_not_served(
    tmp_path: Path, request: pytest.FixtureRequest, version: str
) -> None:
    place = prepare(tmp_path, request.config, version)
    with running(place, "--gradio-auth", "me:secret") as address:
        jar = urllib.request.HTTPCookieProcessor()
        visitor = urllib.request.build_opener(jar)

        def status_of(path: str, data: bytes | None = None) -> int:
            try:
                with visitor.open(f"{address}/{path}", data, timeout=60) as answer:
                    return int(answer.status)
            except urllib.error.HTTPError as error:
                return error.code

        assert [status_of(f"autotune-tab/{name}") for name in ("state", "page")] == [401, 401]
        assert status_of("autotune-tab/press", b"{}") == 401
        assert status_of("login", b"username=me&password=wrong") == 400
        assert status_of("autotune-tab/state") == 401
        assert status_of("login", b"username=me&password=secret") == 200 and len(jar.cookiejar)
        assert status_of("autotune-tab/state") == 200
        folder = f"file={place.root}/extensions/sd-webui-autotune"
        assert status_of(f"{folder}/javascript/autotune_tab.js") == 200
        assert status_of(f"{folder}/autotune.json") == 403


def waiters(place: Place) -> list[psutil.Process]:
    """Processes that wait to tune, or tune, for this install."""
    found = []
    for process in psutil.process_iter():
        try:
            line = process.cmdline()
        except psutil.Error:
            continue
        if str(place.root) in line and ("daemon" in line or "tune" in line) and process.status() != "zombie":
            found.append(process)
    return found


@pytest.mark.timeout(600)
@pytest.mark.parametrize("version", ["4.44.1"])
def test_tune_now_begins_when_the_web_ui_is_closed_and_can_be_taken_back(
    tmp_path: Path, request: pytest.FixtureRequest, version: str
) -> None:
    """Without an agent: a process waits for it, outlives the web UI, and is gone when the tune is not wanted."""
    place = prepare(tmp_path, request.config, version)
    settings = {name: (place.root / name).read_bytes() for name in ("config.json", "ui-config.json")}
    try:
        with browser.page() as page:
            with running(place) as address:
                tab = Tab(page, address)
                tab.open()
                tab.press("closed")
                assert tab.said.startswith("A tune begins when"), tab.said
                assert len(waiters(place)) == 1 and not of(place.root)
                tab.press("cancel")
                assert wait_for(lambda: not waiters(place), 60)
                page.wait("(b => !!b && !b.disabled)(document.querySelector('button[data-verb=\"closed\"]'))")
                tab.press("closed")
                assert place.autotune("status")["asked_tune"]["when"] == "closed"
                assert not of(place.root), "it tunes although the web UI runs"
            page.wait("document.querySelector('.autotune-said').innerText.includes('does not answer')")
            assert not tab.offers("cancel")
        assert wait_for(lambda: bool(of(place.root)), 60), "nothing began when the web UI was closed"
        place.autotune("ask", "cancel")
        assert wait_for(lambda: not waiters(place) and not of(place.root), 60)
    finally:
        place.autotune("ask", "cancel")
        wait_for(lambda: not waiters(place), 60)
    without_a_trace(place, settings)
