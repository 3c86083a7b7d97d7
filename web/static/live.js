// Parts of a page that say what they are about (data-live) refresh when the server tells that it changed, instead of asking
// every few seconds. Where the stream cannot be had, they go on asking: this only makes them quicker and quieter.
"use strict";

(() => {
  const parts = () => Array.from(document.querySelectorAll("[data-live]"));
  if (!window.EventSource || !parts().length) return;

  const REST_MS = 1000; // between two refreshes of one part
  const ANYWAY_MS = 30000; // a part with a stream still asks so often: times pass even when nothing happens
  const AGAIN_MS = 60000; // a refused stream is tried again
  const KINDS = ["job", "recall", "drive"];
  let source = null;
  let heard = false; // the stream has begun; what it first tells is on the page already
  const asked = new Map(); // id of a part: when it was last refreshed
  const due = new Map(); // id of a part: timer

  function refresh(part) {
    if (document.hidden || due.has(part.id)) return;
    const wait = Math.max(0, REST_MS - (Date.now() - (asked.get(part.id) || 0)));
    due.set(part.id, setTimeout(() => {
      due.delete(part.id);
      const present = document.getElementById(part.id);
      if (present) htmx.trigger(present, "wake");
    }, wait));
  }

  function told(kind) {
    if (!heard) return;
    parts().filter((part) => part.dataset.live.split(" ").includes(kind)).forEach(refresh);
  }

  function open() {
    if (source || document.hidden) return;
    heard = false;
    source = new EventSource("/api/v1/events/stream");
    source.addEventListener("open", () => { setTimeout(() => { heard = true; }, REST_MS); });
    KINDS.forEach((kind) => source.addEventListener(kind, () => told(kind)));
    source.addEventListener("error", () => {
      if (source && source.readyState === EventSource.CLOSED) { // refused: as many are open as may be
        source = null;
        setTimeout(open, AGAIN_MS);
      }
    });
  }

  function close() {
    if (source) source.close();
    source = null;
  }

  const isLive = () => source !== null && heard && source.readyState === EventSource.OPEN;

  // While the stream tells, the clock of a part rests.
  document.addEventListener("htmx:beforeRequest", (event) => {
    const part = event.detail.elt;
    if (!part.hasAttribute("data-live")) return;
    const cause = event.detail.requestConfig && event.detail.requestConfig.triggeringEvent;
    const byClock = !cause || cause.type !== "wake";
    const young = Date.now() - (asked.get(part.id) || 0) < ANYWAY_MS;
    if (byClock && isLive() && young) event.preventDefault();
    else asked.set(part.id, Date.now());
  });

  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  window.addEventListener("pagehide", close);
  open();
})();
