// What pages do beside being read: renew themselves, tell times in words, remember the theme.
(() => {
  "use strict";
  const root = document.documentElement;
  const find = (selector, within = document) => within.querySelector(selector);
  const say = (text) => { const place = find("[data-say]"); if (place && place.textContent !== text) place.textContent = text; };

  // --- times ---------------------------------------------------------------------------------
  const UNITS = [[86400, "d", 3600, "h"], [3600, "h", 60, "min"]];
  const lasted = (seconds) => {
    const whole = Math.round(seconds);
    for (const [size, unit, below, smaller] of UNITS) {
      if (whole >= size) {
        const rest = Math.floor((whole % size) / below);
        return `${Math.floor(whole / size)} ${unit}` + (rest ? ` ${rest} ${smaller}` : "");
      }
    }
    if (whole >= 60) return `${Math.floor(whole / 60)} min` + (whole % 60 ? ` ${whole % 60} s` : "");
    return `${whole} s`;
  };
  // The server's clock counts: this machine's may be wrong.
  let ahead = 0;
  const tellTimes = () => {
    const now = Date.now() + ahead;
    for (const one of document.querySelectorAll("[data-ago]")) {
      const seconds = (now - Date.parse(one.dateTime)) / 1000;
      const text = seconds >= 0 ? `${lasted(seconds)} ago` : `in ${lasted(-seconds)}`;
      if (one.textContent !== text) one.textContent = text;
    }
  };

  // --- renewal -------------------------------------------------------------------------------
  let etag = "", failed = 0, over = false, timer = 0;
  const busy = () => {
    const at = document.activeElement;
    return at && at.closest("form.dirty, details[open] form");
  };
  const state = (text, bad) => {
    const place = find("[data-live-state]");
    if (!place) return;
    place.hidden = false;
    place.classList.toggle("bad", Boolean(bad));
    find("[data-live-text]", place).textContent = text;
  };
  const lose = (text) => {
    const place = find("[data-lost]");
    place.hidden = !text;
    if (place.textContent !== text) place.textContent = text;
  };
  const options = {
    morphStyle: "outerHTML",
    ignoreActiveValue: true,
    callbacks: {
      beforeNodeMorphed: (old) => !(old.nodeType === 1 && old.matches("form.dirty")),
      // What a person opened stays open, and what they chose stays chosen.
      beforeAttributeUpdated: (name, node) =>
        !(name === "open" && node.tagName === "DETAILS") &&
        !((name === "value" || name === "checked" || name === "selected") && node.closest("form.dirty")),
    },
  };
  const renew = async () => {
    const main = find("#main");
    const every = Number(main && main.dataset.live);
    if (!every || over) return;
    if (!document.hidden) {
      try {
        const headers = { "X-Airwarden-Part": "1" };
        if (etag) headers["If-None-Match"] = etag;
        const answer = await fetch(location.href, { headers, cache: "no-store", redirect: "error", credentials: "same-origin" });
        if (answer.status === 401) {
          over = true;
          state("signed out", true);
          lose("Your session is over. What you see is what it was. Reload the page to sign in again.");
          return;
        }
        if (answer.status !== 304 && !answer.ok) throw new Error(String(answer.status));
        if (answer.status === 200) {
          const text = await answer.text();
          if (!busy()) {
            etag = answer.headers.get("etag") || "";
            Idiomorph.morph(find("#main"), text.trim(), options);
            show();
          }
        }
        failed = 0;
        lose("");
        state("live");
      } catch {
        failed += 1;
        if (failed > 1) {
          state("no answer", true);
          lose("Airwarden does not answer. What you see is what it was.");
        }
      }
    }
    // Spread out: a hundred open pages must not ask in the same instant.
    const pause = every * 1000 * Math.min(8, 2 ** Math.max(0, failed - 1));
    timer = setTimeout(renew, pause * (0.85 + 0.3 * Math.random()));
  };

  // --- what a person does ----------------------------------------------------------------------
  const NAMES = ["system", "light", "dark"];
  const theme = () => root.dataset.theme || "system";
  const setTheme = (name) => {
    if (name === "system") delete root.dataset.theme; else root.dataset.theme = name;
    try {
      if (name === "system") localStorage.removeItem("airwarden-theme"); else localStorage.setItem("airwarden-theme", name);
    } catch { /* it lasts for this page then */ }
    find("[data-theme-name]").textContent = name;
  };
  const show = () => {
    const told = Date.parse(find("#main")?.dataset.now || "");
    if (told) ahead = told - Date.now();
    for (const one of document.querySelectorAll("[data-copy]")) one.hidden = !navigator.clipboard;
    tellTimes();
  };
  document.addEventListener("click", async (event) => {
    const copy = event.target.closest("[data-copy]");
    if (copy) {
      await navigator.clipboard.writeText(find("[data-copy-text]", copy.parentElement).textContent);
      copy.textContent = "Copied";
      say("Copied");
    }
    if (event.target.closest("[data-theme-button]")) {
      const next = NAMES[(NAMES.indexOf(theme()) + 1) % NAMES.length];
      setTheme(next);
      say(`Theme: ${next}`);
    }
  });
  document.addEventListener("input", (event) => { const form = event.target.form; if (form) form.classList.add("dirty"); });
  document.addEventListener("submit", (event) => {
    // Ordered once, however often it is pressed.
    if (event.target.dataset.sent) { event.preventDefault(); return; }
    if (event.target.method === "post") event.target.dataset.sent = "yes";
  });
  addEventListener("pageshow", (event) => {
    if (event.persisted) for (const form of document.forms) delete form.dataset.sent;
  });
  document.addEventListener("toggle", (event) => {
    if (event.target.open && event.target.matches("details.act")) {
      const first = find("input:not([type=hidden]), select", event.target);
      if (first) first.focus();
    }
  }, true);
  document.addEventListener("keydown", (event) => {
    const open = event.key === "Escape" && event.target.closest("details.act[open]");
    if (open) { open.open = false; find("summary", open).focus(); }
  });
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) { clearTimeout(timer); renew(); }
  });

  const button = find("[data-theme-button]");
  if (button) { button.hidden = false; setTheme(theme()); }
  // Where the navigation is wider than the screen, the present page is in sight.
  const list = find("nav ul"), here = find("nav [aria-current]");
  if (here) list.parentElement.scrollLeft = here.offsetLeft - list.parentElement.clientWidth / 2 + here.clientWidth / 2;
  show();
  setInterval(tellTimes, 1000);
  if (Number(find("#main")?.dataset.live)) timer = setTimeout(renew, 700);
})();
