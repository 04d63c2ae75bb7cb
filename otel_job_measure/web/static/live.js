// Keeps the page up to date. Without it, the page is the same and is loaded again by hand.
"use strict";
(() => {
  let source = null;
  let waits = false;
  let number = -1;
  let lost = false;

  const said = (text) => {
    const place = document.querySelector(".live");
    if (!place) return;
    place.hidden = !text;
    place.textContent = text;
  };

  // A person who types, or has chosen text, is left alone; the page changes afterwards.
  const isBusy = () => {
    const active = document.activeElement;
    const types = active && /^(INPUT|SELECT|TEXTAREA)$/.test(active.tagName);
    const chosen = document.getSelection();
    return types || (chosen && !chosen.isCollapsed);
  };

  const refresh = async () => {
    if (document.hidden) return;
    if (isBusy()) { waits = true; return; }
    waits = false;
    let response;
    try {
      response = await fetch(location.href, { headers: { Accept: "text/html" }, redirect: "error" });
    } catch { return; }
    if (response.status === 401 || response.status === 403) { said("· the token is no longer valid: open the new URL"); close(); return true; }
    const next = new DOMParser().parseFromString(await response.text(), "text/html").querySelector("main");
    const now = document.querySelector("main");
    if (!next || !now || isBusy()) return;
    const banner = next.querySelector(".banner");
    if (response.status === 503 && banner && !next.querySelector("table") && now.querySelector("table, dl")) {
      now.querySelector(".banner")?.remove();  // what was known stays, with the reason why it is old
      now.prepend(document.adoptNode(banner));
      return;
    }
    const open = new Set([...now.querySelectorAll("details[open] > summary")].map((each) => each.textContent));
    for (const each of next.querySelectorAll("details > summary")) {
      if (open.has(each.textContent)) each.parentElement.open = true;
    }
    const ways = (main) => [main, ...main.querySelectorAll("a, button, summary")];
    const place = ways(now).indexOf(document.activeElement);
    const href = document.activeElement.getAttribute("href");
    now.replaceWith(document.adoptNode(next));
    if (place < 0) return;  // the focus is elsewhere
    const same = href && next.querySelector(`a[href="${CSS.escape(href)}"]`);
    (same || ways(next)[place] || next).focus({ preventScroll: true });
  };

  // Two hundred browsers need not ask in the same moment.
  const soon = () => setTimeout(refresh, Math.random() * 700);

  const close = () => { if (source) { source.close(); source = null; } };

  // A proxy answers for a server that starts, and a server that started anew has another token.
  const again = () => {
    close();
    setTimeout(() => { if (!document.hidden && !source) refresh().then((ended) => { if (!ended) open(); }); }, 5000);
  };

  const open = () => {
    close();
    source = new EventSource("live");
    const seen = (event) => {
      said("· live");
      const before = number;
      number = Number(event.data);
      return before;
    };
    source.addEventListener("hello", (event) => {
      const before = seen(event);
      if (lost || (before >= 0 && before !== number)) soon();  // another server may count from one again
      lost = false;
    });
    source.addEventListener("changed", (event) => { seen(event); soon(); });
    source.addEventListener("same", seen);
    source.onerror = () => {
      lost = true;
      said("· not live: the server does not answer");
      if (source && source.readyState === EventSource.CLOSED) again();  // an answer that is no stream ends it for good
    };
  };

  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  document.addEventListener("focusout", () => { if (waits) soon(); });
  addEventListener("pagehide", close);
  addEventListener("pageshow", (event) => { if (event.persisted) open(); });
  if (!document.hidden) open();
})();
