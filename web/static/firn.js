// What the pages do beyond plain links and forms. Everything works without it, except that nothing refreshes by itself.
"use strict";

// "/" goes to the search field, as long as nobody is typing somewhere else.
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input, textarea, select, [contenteditable]")) return;
  const field = document.querySelector("[data-search]");
  if (!field) return;
  event.preventDefault();
  field.focus();
  field.select();
});

// A hidden tab asks for nothing; when it is looked at again it asks at once.
document.addEventListener("htmx:beforeRequest", (event) => {
  if (document.hidden && event.detail.elt.hasAttribute("data-poll")) event.preventDefault();
});
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  document.querySelectorAll("[data-poll]").forEach((part) => htmx.trigger(part, "wake"));
});

// A refreshed part keeps the keyboard where it was, and leaves opened details open.
let focused = null;
let opened = [];
function nameOf(part) {
  const form = part.closest("form");
  return [part.tagName, part.getAttribute("href"), part.name, part.value, form && form.getAttribute("action")].join(" ");
}
document.addEventListener("htmx:beforeSwap", (event) => {
  const part = event.detail.target;
  const active = document.activeElement;
  focused = active && active.matches("a[href], button, input, select") && part.contains(active) ? nameOf(active) : null;
  opened = Array.from(part.querySelectorAll("details[open][id]"), (details) => details.id);
});
document.addEventListener("htmx:afterSettle", () => {
  opened.forEach((id) => { const details = document.getElementById(id); if (details) details.open = true; });
  if (focused === null) return;
  const again = Array.from(document.querySelectorAll("a[href], button, input, select")).find((part) => nameOf(part) === focused);
  if (again && again !== document.activeElement) again.focus({ preventScroll: true });
  focused = null;
});

// When the server stops answering, the page says since when what it shows is old.
const stale = () => document.getElementById("stale");
let silentSince = null;
function wentSilent() {
  silentSince = silentSince || new Date();
  stale().textContent = "No answer since " + silentSince.toLocaleTimeString() + ". What you see is from before.";
  stale().classList.add("shown");
}
function spokeAgain() {
  silentSince = null;
  stale().classList.remove("shown");
  stale().textContent = "";
}
document.addEventListener("htmx:sendError", wentSilent);
document.addEventListener("htmx:timeout", wentSilent);
document.addEventListener("htmx:responseError", wentSilent);
document.addEventListener("htmx:afterOnLoad", spokeAgain);

// A form that sends itself when a choice changes; its button stays for those who prefer it.
document.addEventListener("change", (event) => {
  const form = event.target.closest("form[data-send-on-change]");
  if (form) form.requestSubmit();
});

// The tab says how many answers there are, and a screen reader hears of a new one.
const titled = document.title;
let heard = null;
function tellNews() {
  const mine = document.getElementById("mine");
  if (!mine) return;
  const news = Number(mine.dataset.news) || 0;
  document.title = news ? "(" + news + ") " + titled : titled;
  if (heard !== null && news > heard) document.getElementById("announce").textContent = mine.querySelector(".news").textContent;
  heard = news;
}
document.addEventListener("htmx:afterSettle", tellNews);
tellNews();

// One tick for all of a table. Boxes that only make sense with scripts show themselves here.
document.documentElement.classList.add("js");
document.addEventListener("change", (event) => {
  if (!event.target.matches("[data-tick-all]")) return;
  event.target.closest("table").querySelectorAll('input[name="study"]').forEach((box) => { box.checked = event.target.checked; });
});
