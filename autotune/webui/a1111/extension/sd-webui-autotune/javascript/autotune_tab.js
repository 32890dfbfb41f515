// Fills the tab of autotune: asks for what is to be shown while it is seen, and sends its buttons.
"use strict";
(() => {
  const EVERY = 3000; // milliseconds between two looks while the tab is seen
  const SOON = 400; // where something newer is on its way
  const BASE = new URL("autotune-tab/", document.baseURI).href;
  const framed = (() => { // a page of another site may lay this one under the visitor's pointer
    try { return window.top !== window.self && !window.top.document; } catch (fault) { return true; }
  })();
  let place = null, content = null, token = null, shown = "", busy = null, said = null, timer = 0, seen = false, pageKey = "";

  const root = () => {
    const app = document.querySelector("gradio-app");
    return (app && app.shadowRoot) || document;
  };

  const make = (tag, name, text) => {
    const one = document.createElement(tag);
    if (name) one.className = `autotune-${name}`;
    // What stands between backticks is to be typed; all else is text and nothing but text.
    String(text === undefined ? "" : text).split("`").forEach((part, at) => {
      if (at % 2) one.append(Object.assign(document.createElement("code"), { textContent: part }));
      else if (part) one.append(part);
    });
    return one;
  };

  const section = (data) => {
    const box = make("section", `section autotune-${data.tone || "plain"}`);
    box.append(make("h3", "", data.title));
    for (const row of data.rows) {
      const line = make("div", `row autotune-${row.tone || "plain"}`);
      if (row.name) line.append(make("span", "name", row.name));
      const text = make("span", row.code ? "text autotune-code" : "text", row.code ? "" : row.text);
      if (row.code) text.textContent = row.text;
      line.append(text);
      box.append(line);
    }
    return box;
  };

  const button = (data, state) => {
    const box = make("div", "action");
    const one = make("button", data.main ? "button autotune-main" : "button", data.label);
    one.type = "button";
    one.dataset.verb = data.verb;
    const may = state.may_press && !framed && !state.gone;
    one.disabled = !may || !data.enabled || busy !== null;
    if (busy === data.verb) one.classList.add("autotune-busy");
    one.addEventListener("click", () => press(data.verb));
    box.append(one, make("p", "hint", data.enabled ? data.explain : data.why));
    return box;
  };

  const draw = (state) => {
    const key = JSON.stringify([{ ...state, reading: false }, busy, said]);
    if (key === shown || !place) return;
    shown = key;
    const focused = root().activeElement && root().activeElement.dataset ? root().activeElement.dataset.verb : null;
    if (state.loading) {
      content.replaceChildren(make("p", "loading", "…"));
      return;
    }
    place.lang = state.language;
    const words = state.words;
    const top = make("div", "top");
    const trouble = state.trouble && { ok: false, ...state.trouble };
    const gone = state.gone && { ok: false, message: words.gone };
    const tell = busy ? { message: words.doing } : gone || said || trouble;
    const live = make("div", `said autotune-${!tell || busy ? "plain" : tell.ok ? "done" : "failed"}`);
    live.setAttribute("role", "status");
    if (tell) live.append(make("p", "", tell.message), ...(tell.hint ? [make("p", "hint", tell.hint)] : []));
    top.append(live);
    const actions = make("div", "actions");
    for (const one of state.buttons) actions.append(button(one, state));
    const rest = make("div", "sections");
    for (const one of state.sections) rest.append(section(one));
    if (state.pending && !tell) top.append(make("p", "notice", words.pending));
    const parts = [top, rest, actions];
    if (!state.may_press) parts.splice(2, 0, make("p", "notice", words.remote));
    else if (framed) parts.splice(2, 0, make("p", "notice", words.framed));
    content.replaceChildren(...parts);
    showPage(state);
    if (focused) {
      const again = place.querySelector(`button[data-verb="${focused}"]`);
      if (again) again.focus();
    }
  };

  // A frame that is moved loads anew, so what holds it stays where it is.
  const showPage = (state) => {
    const old = place.querySelector(".autotune-page"), key = state.page ? state.page_key : "";
    if (key === pageKey) return;
    pageKey = key;
    if (old) old.remove();
    if (key) place.append(page(state));
  };

  const page = (state) => {
    const box = make("details", "page");
    box.append(make("summary", "", state.words.page));
    box.addEventListener("toggle", () => {
      if (!box.open || box.querySelector("iframe")) return;
      const frame = make("iframe", "frame");
      frame.setAttribute("sandbox", "allow-scripts");
      frame.title = state.words.page;
      frame.src = `${BASE}page?${encodeURIComponent(state.page_key)}`;
      box.append(frame);
    });
    return box;
  };

  const look = async () => {
    window.clearTimeout(timer);
    if (!seen || document.hidden) return;
    try {
      const answer = await fetch(`${BASE}state`, { credentials: "same-origin", cache: "no-store" });
      if (answer.ok) {
        const state = await answer.json();
        token = state.token || null;
        last = state;
        draw(state);
      }
    } catch (fault) { // the web UI has ended: what is shown stays, and says so
      if (last && last.words) {
        last = { ...last, gone: true };
        draw(last);
      }
    }
    timer = window.setTimeout(look, last && (last.loading || last.reading) ? SOON : EVERY);
  };
  let last = null;

  const press = async (verb) => {
    if (busy || !token || framed) return;
    busy = verb; said = null;
    draw(last);
    try {
      const answer = await fetch(`${BASE}press`, {
        method: "POST", credentials: "same-origin", cache: "no-store",
        headers: { "Content-Type": "application/json", "X-Autotune-Token": token },
        body: JSON.stringify({ verb }),
      });
      const found = await answer.json();
      if (answer.ok && found.restart) found.hint = last.words.restart;
      said = answer.ok ? found : { ok: false, message: last.words.refused, hint: found.detail };
    } catch (fault) {
      said = { ok: false, message: last.words.gone, hint: "" };
    }
    busy = null;
    look();
    draw(last);
  };

  const begin = () => {
    const found = root().querySelector("#autotune_tab_place");
    if (!found || found === place) return;
    place = found; shown = "";
    const style = Object.assign(document.createElement("link"), { rel: "stylesheet", href: `${BASE}style` });
    place.parentNode.insertBefore(style, place);
    new IntersectionObserver((entries) => {
      const now = entries[entries.length - 1].isIntersecting;
      if (now && !seen) { seen = true; look(); }
      seen = now;
    }).observe(place);
    content = make("div", "content");
    pageKey = "";
    content.append(make("p", "loading", "…"));
    place.replaceChildren(content);
  };

  document.addEventListener("visibilitychange", look);
  const wait = window.setInterval(() => { // the page is drawn by scripts, some time after this one is loaded
    begin();
    if (place) window.clearInterval(wait);
  }, 500);
})();
