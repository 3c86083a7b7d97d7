// A light viewer: scrolls through the frames of one series, windows, zooms. It asks the server for drawn frames, a few ahead of where
// one looks, and keeps no more than it may; while a window is being changed it works on the values of the one frame that is shown.
"use strict";

(() => {
  const stage = document.getElementById("stage");
  if (!stage || !window.createImageBitmap) return;

  const AHEAD = 24, BEHIND = 6, AT_ONCE = 3; // frames asked for before they are wanted
  const MOST_PIXELS = 24e6, MOST_BYTES = 32e6; // kept decoded (4 bytes each), and kept as they came
  const WHEEL_STEP = 40, SWIPE_STEP = 12, REST_MS = 200;
  const canvas = stage.querySelector("canvas");
  const ink = canvas.getContext("2d", { alpha: false });
  const still = stage.querySelector("img");
  const slider = document.getElementById("slice");
  const place = document.getElementById("place");
  const said = document.getElementById("viewer-said");
  const windowed = document.getElementById("windowed");
  const preset = document.getElementById("preset");
  const modes = Array.from(document.querySelectorAll('input[name="mode"]'));

  const frames = []; // [SOP Instance UID, number of the frame]
  const blobs = new Map(), bitmaps = new Map(); // by key(); in the order of their last use
  const asked = new Map(); // key: AbortController
  let blobBytes = 0, bitmapPixels = 0;
  let at = Number(stage.dataset.at) || 0;
  let direction = 1;
  let chosen = null; // {centre, width}; null: as the server finds right
  let values = null; // of the frame shown, while its window is changed
  let shown = null; // what is drawn now: a bitmap or a canvas
  let shownKey = "", shownAt = -1;
  let zoom = 1, panX = 0, panY = 0;
  let failures = 0;

  // -- what is asked for, and what is kept ------------------------------------------------------------------------------

  const wish = () => (chosen ? chosen.centre + "," + chosen.width : "");
  const key = (index) => index + "|" + wish();
  const address = (index, end) => stage.dataset.base + "/" + frames[index][0] + "/" + frames[index][1] + end;
  const pictureOf = (index) => address(index, ".jpg") + (chosen ? "?window=" + encodeURIComponent(wish()) : "");

  function remember(map, name, thing) {
    map.delete(name);
    map.set(name, thing);
  }

  function trim() {
    for (const [name, blob] of blobs) {
      if (blobBytes <= MOST_BYTES) break;
      blobs.delete(name);
      blobBytes -= blob.size;
    }
    for (const [name, bitmap] of bitmaps) {
      if (bitmapPixels <= MOST_PIXELS || bitmaps.size < 2) break;
      if (name === shownKey) continue;
      bitmaps.delete(name);
      bitmapPixels -= bitmap.width * bitmap.height;
      bitmap.close();
    }
  }

  async function fetched(index) {
    const name = key(index);
    if (blobs.has(name)) { remember(blobs, name, blobs.get(name)); return blobs.get(name); }
    const control = new AbortController();
    asked.set(name, control);
    try {
      const answer = await fetch(pictureOf(index), { signal: control.signal, credentials: "same-origin" });
      if (!answer.ok) throw new Error(await why(answer));
      const blob = await answer.blob();
      if (!blobs.has(name)) { blobs.set(name, blob); blobBytes += blob.size; }
      return blob;
    } finally {
      asked.delete(name);
    }
  }

  async function why(answer) {
    if (answer.status === 503) return "This image is not on disk just now. Reload the page to see where it is.";
    if (answer.status === 401 || answer.redirected) return "You are signed out. Reload the page.";
    return "This image cannot be shown (" + answer.status + ").";
  }

  async function decoded(index) {
    const name = key(index);
    if (bitmaps.has(name)) { remember(bitmaps, name, bitmaps.get(name)); return bitmaps.get(name); }
    const bitmap = await createImageBitmap(await fetched(index));
    if (bitmaps.has(name)) { bitmap.close(); return bitmaps.get(name); }
    bitmaps.set(name, bitmap);
    bitmapPixels += bitmap.width * bitmap.height;
    trim();
    return bitmap;
  }

  // -- what is shown ---------------------------------------------------------------------------------------------------

  async function show() {
    const index = at, name = key(index);
    tell();
    try {
      const bitmap = await decoded(index);
      if (index === at && name === key(at)) {
        values = null;
        failures = 0;
        put(bitmap, name, index);
      }
    } catch (error) {
      if (error.name !== "AbortError" && index === at) said.textContent = error.message || "This image cannot be shown.";
    }
    ahead();
  }

  function put(picture, name, index) {
    shown = picture;
    shownKey = name;
    shownAt = index;
    said.textContent = "";
    stage.dataset.shown = String(index + 1);
    draw();
  }

  function draw() {
    if (!shown) return;
    const density = window.devicePixelRatio || 1;
    const width = Math.round(stage.clientWidth * density), height = Math.round(stage.clientHeight * density);
    if (canvas.width !== width || canvas.height !== height) { canvas.width = width; canvas.height = height; }
    ink.fillStyle = "#000";
    ink.fillRect(0, 0, width, height);
    const scale = Math.min(width / shown.width, height / shown.height) * zoom;
    ink.imageSmoothingEnabled = scale < 4;
    ink.drawImage(shown, (width - shown.width * scale) / 2 + panX * density, (height - shown.height * scale) / 2 + panY * density,
      shown.width * scale, shown.height * scale);
  }

  function tell() {
    place.textContent = (at + 1) + " of " + frames.length;
    slider.value = String(at + 1);
    canvas.setAttribute("aria-label", "Image " + (at + 1) + " of " + frames.length);
    windowed.textContent = chosen ? "centre " + round(chosen.centre) + ", width " + round(chosen.width) : "as the image says";
  }

  const round = (number) => (Math.abs(number) >= 10 ? Math.round(number) : Math.round(number * 100) / 100);

  function go(index) {
    const next = Math.max(0, Math.min(frames.length - 1, index));
    if (next === at) return;
    direction = next > at ? 1 : -1;
    at = next;
    values = null;
    show();
    settle();
  }

  // Who moves on through hundreds of images is not followed by what was asked for on the way.
  function ahead() {
    const wanted = [];
    for (let step = 1; step <= AHEAD; step += 1) wanted.push(at + direction * step);
    for (let step = 1; step <= BEHIND; step += 1) wanted.push(at - direction * step);
    const near = new Set([at, ...wanted].map(key));
    for (const [name, control] of asked) if (!near.has(name)) control.abort();
    for (const index of wanted) {
      if (asked.size >= AT_ONCE || failures > 3) return;
      if (index < 0 || index >= frames.length || blobs.has(key(index)) || asked.has(key(index))) continue;
      fetched(index).then(() => { trim(); ahead(); }, (error) => { if (error.name !== "AbortError") failures += 1; });
    }
  }

  let settling = 0;
  function settle() { // the address says what is shown, for a reload or a link
    clearTimeout(settling);
    settling = setTimeout(() => {
      const here = new URL(location.href);
      here.searchParams.set("n", String(at + 1));
      if (chosen) here.searchParams.set("window", wish()); else here.searchParams.delete("window");
      history.replaceState(null, "", here);
    }, REST_MS);
  }

  // -- the window ------------------------------------------------------------------------------------------------------

  let loading = null;
  async function load() {
    const index = at;
    if (values && values.index === index) return values;
    if (loading && loading.index === index) return loading.promise;
    const promise = (async () => {
      const answer = await fetch(address(index, ".values"), { credentials: "same-origin" });
      if (!answer.ok) throw new Error(answer.status === 406 ? "A coloured image has no window." : await why(answer));
      const about = JSON.parse(answer.headers.get("Firn-Values"));
      const numbers = new Uint16Array(await answer.arrayBuffer());
      const sheet = document.createElement("canvas");
      sheet.width = about.columns;
      sheet.height = about.rows;
      const pen = sheet.getContext("2d");
      return { index, about, numbers, sheet, pen, image: pen.createImageData(about.columns, about.rows) };
    })();
    loading = { index, promise };
    try {
      values = await promise;
      return values;
    } finally {
      if (loading && loading.promise === promise) loading = null;
    }
  }

  const grey = new Uint32Array(65536);
  function paint(found) { // one table of 65536 greys, then one look-up a pixel
    const { about, numbers, image, pen, sheet } = found;
    const low = (chosen.centre - 0.5 - (chosen.width - 1) / 2 - about.intercept) / about.slope;
    const high = (chosen.centre - 0.5 + (chosen.width - 1) / 2 - about.intercept) / about.slope;
    const span = Math.max(high - low, 1e-6);
    for (let n = 0; n < 65536; n += 1) {
      let level = Math.max(0, Math.min(255, Math.floor((n - low) / span * 255)));
      if (about.inverted) level = 255 - level;
      grey[n] = 0xff000000 | (level << 16) | (level << 8) | level;
    }
    const pixels = new Uint32Array(image.data.buffer);
    for (let n = 0; n < numbers.length; n += 1) pixels[n] = grey[numbers[n]];
    pen.putImageData(image, 0, 0);
    put(sheet, key(found.index), found.index);
  }

  let painting = false;
  function repaint() {
    if (painting) return;
    painting = true;
    requestAnimationFrame(() => {
      painting = false;
      if (values && values.index === at && chosen) paint(values);
      tell();
    });
  }

  let following = 0;
  function window_(centre, width) {
    chosen = { centre, width: Math.max(1, width) };
    if (values && values.index === at) repaint();
    else show();
    clearTimeout(following);
    following = setTimeout(() => { forgetOthers(); ahead(); }, REST_MS); // the neighbours, in this window too
    settle();
  }

  function forgetOthers() { // what was drawn with other windows is not looked at again
    const end = "|" + wish();
    for (const [name, control] of asked) if (!name.endsWith(end)) control.abort();
    for (const [name, blob] of blobs) if (!name.endsWith(end)) { blobs.delete(name); blobBytes -= blob.size; }
    for (const [name, bitmap] of bitmaps) {
      if (name.endsWith(end) || bitmap === shown) continue;
      bitmaps.delete(name);
      bitmapPixels -= bitmap.width * bitmap.height;
      bitmap.close();
    }
  }

  function windowReset() {
    chosen = null;
    values = null;
    preset.value = "";
    show();
    settle();
  }

  async function windowBy(dx, dy) {
    let found;
    try {
      found = await load();
    } catch (error) {
      said.textContent = error.message;
      return;
    }
    if (found.index !== at) return;
    const { about } = found;
    if (!chosen) chosen = { centre: (about.low + about.high + 1) / 2, width: Math.max(1, about.high - about.low + 1) };
    const step = Math.max(chosen.width, 20) / 250;
    preset.value = "";
    window_(chosen.centre + dy * step, chosen.width + dx * step);
  }

  // -- the view --------------------------------------------------------------------------------------------------------

  function zoomTo(factor) {
    zoom = Math.max(0.25, Math.min(16, factor));
    if (zoom === 1) { panX = 0; panY = 0; }
    draw();
  }

  function fit() { zoom = 1; panX = 0; panY = 0; draw(); }

  function pixelForPixel() {
    if (!shown) return;
    const density = window.devicePixelRatio || 1;
    zoomTo(1 / Math.min(stage.clientWidth * density / shown.width, stage.clientHeight * density / shown.height));
  }

  // -- wheel, pointers, keys -------------------------------------------------------------------------------------------

  let turned = 0;
  stage.addEventListener("wheel", (event) => {
    event.preventDefault();
    if (event.ctrlKey) { zoomTo(zoom * (event.deltaY < 0 ? 1.15 : 1 / 1.15)); return; }
    turned += event.deltaMode === 1 ? event.deltaY * WHEEL_STEP : event.deltaY;
    const steps = Math.trunc(turned / WHEEL_STEP) || (Math.abs(event.deltaY) >= WHEEL_STEP ? Math.sign(event.deltaY) : 0);
    if (steps) { turned = 0; go(at + steps); }
  }, { passive: false });

  const fingers = new Map();
  let pinch = 0, swiped = 0;
  const mode = () => (modes.find((one) => one.checked) || { value: "window" }).value;
  const apart = () => { const [a, b] = fingers.values(); return Math.hypot(a.x - b.x, a.y - b.y); };

  stage.addEventListener("pointerdown", (event) => {
    if (event.target !== canvas) return;
    stage.focus({ preventScroll: true });
    canvas.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    swiped = 0;
    if (fingers.size === 2) pinch = apart();
  });
  stage.addEventListener("pointermove", (event) => {
    const before = fingers.get(event.pointerId);
    if (!before) return;
    const dx = event.clientX - before.x, dy = event.clientY - before.y;
    fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    if (fingers.size === 2) {
      const now = apart();
      panX += dx / 2;
      panY += dy / 2;
      if (pinch) zoomTo(zoom * now / pinch);
      pinch = now;
    } else if (event.buttons === 4 || event.buttons === 2 || event.shiftKey || mode() === "move") {
      panX += dx;
      panY += dy;
      draw();
    } else if (mode() === "scroll" || (event.pointerType === "touch" && mode() !== "window")) {
      swiped += dy;
      const steps = Math.trunc(swiped / SWIPE_STEP);
      if (steps) { swiped -= steps * SWIPE_STEP; go(at + steps); }
    } else {
      windowBy(dx, dy);
    }
  });
  ["pointerup", "pointercancel"].forEach((kind) => stage.addEventListener(kind, (event) => { fingers.delete(event.pointerId); pinch = 0; }));
  stage.addEventListener("contextmenu", (event) => event.preventDefault());
  stage.addEventListener("dblclick", fit);

  const KEYS = {
    ArrowDown: () => go(at + 1), ArrowRight: () => go(at + 1), ArrowUp: () => go(at - 1), ArrowLeft: () => go(at - 1),
    PageDown: () => go(at + 10), PageUp: () => go(at - 10), Home: () => go(0), End: () => go(frames.length - 1),
    "+": () => zoomTo(zoom * 1.25), "=": () => zoomTo(zoom * 1.25), "-": () => zoomTo(zoom / 1.25), 0: fit, 1: pixelForPixel,
    a: windowReset, w: () => windowBy(25, 0), s: () => windowBy(-25, 0), e: () => windowBy(0, 25), d: () => windowBy(0, -25),
  };
  stage.addEventListener("keydown", (event) => {
    const act = KEYS[event.key];
    if (!act || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    act();
  });

  document.getElementById("viewer-tools").addEventListener("click", (event) => {
    const button = event.target.closest("button[data-do]");
    if (!button) return;
    ({ fit, real: pixelForPixel, in: () => zoomTo(zoom * 1.25), out: () => zoomTo(zoom / 1.25), })[button.dataset.do]();
  });
  slider.addEventListener("input", () => go(Number(slider.value) - 1));
  preset.addEventListener("change", () => {
    if (!preset.value) { windowReset(); return; }
    const [centre, width] = preset.value.split(",").map(Number);
    values = null;
    window_(centre, width);
  });
  if (matchMedia("(pointer: coarse)").matches) modes.forEach((one) => { one.checked = one.value === "scroll"; });
  if (window.ResizeObserver) new ResizeObserver(draw).observe(stage);

  // -- the beginning ---------------------------------------------------------------------------------------------------

  fetch(stage.dataset.frames, { credentials: "same-origin" }).then((answer) => answer.json()).then((list) => {
    list.frames.forEach(([sop, count]) => { for (let n = 1; n <= count; n += 1) frames.push([sop, n]); });
    if (!frames.length) return;
    at = Math.min(at, frames.length - 1);
    if (stage.dataset.window) {
      const [centre, width] = stage.dataset.window.split(",").map(Number);
      chosen = { centre, width };
    }
    document.documentElement.classList.add("viewing");
    still.remove();
    canvas.hidden = false;
    slider.max = String(frames.length);
    show();
    if (!location.hash) stage.focus({ preventScroll: true });
  }, () => { said.textContent = "The list of images did not come. Use the links below the image, or reload the page."; });
})();
