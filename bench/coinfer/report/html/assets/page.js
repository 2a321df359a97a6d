"use strict";
(async () => {
  const $ = (id) => document.getElementById(id);
  const data = JSON.parse($("data").textContent);
  const root = document.documentElement;
  const buttons = [...document.querySelectorAll("[data-axis]")];

  // ---- Theme: the system's, until the reader says otherwise.
  const system = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  const showTheme = () => $("theme").setAttribute("aria-pressed", String(isDark()));
  $("theme").addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    showTheme();
    redraw();
  });
  system.addEventListener("change", () => {
    showTheme();
    redraw();
  });
  showTheme();

  // ---- Filters: nothing pressed on an axis means everything.
  let shown = new Set(data.settings.keys());
  const pressed = (button) => button.getAttribute("aria-pressed") === "true";
  function filter() {
    const wanted = {};
    for (const { dataset } of buttons.filter(pressed)) {
      (wanted[dataset.axis] ??= new Set()).add(dataset.value);
    }
    shown = new Set(
      [...data.settings.keys()].filter((n) =>
        Object.entries(wanted).every(([axis, values]) => values.has(data.settings[n][axis])),
      ),
    );
    for (const element of document.querySelectorAll("[data-settings]")) {
      element.hidden = !element.dataset.settings.split(" ").some((n) => shown.has(Number(n)));
    }
    $("all").disabled = !buttons.some(pressed);
    $("shown").textContent = `${shown.size} of ${data.settings.length} ${$("shown").dataset.what} shown`;
    redraw();
  }
  for (const button of buttons) {
    button.addEventListener("click", () => {
      button.setAttribute("aria-pressed", String(!pressed(button)));
      filter();
    });
  }
  $("all")?.addEventListener("click", () => {
    buttons.forEach((button) => button.setAttribute("aria-pressed", "false"));
    filter();
  });

  // ---- Figures: drawn when they come near, and anew when theme or filters change.
  const drawn = new Set();

  // Names of colours in the style sheet become the colours of the theme.
  function coloured(value, style) {
    if (typeof value === "string") {
      const name = /^var\((--[\w-]+)\)$/.exec(value);
      return name ? style.getPropertyValue(name[1]).trim() : value;
    }
    if (Array.isArray(value)) return value.map((one) => coloured(one, style));
    if (value === null || typeof value !== "object") return value;
    return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, coloured(v, style)]));
  }

  // A trace without the points that are hidden; every array with a place for each point loses them.
  function thinned(value, keep) {
    if (Array.isArray(value)) {
      return value.length === keep.length ? value.filter((_, n) => keep[n]) : value;
    }
    if (value === null || typeof value !== "object") return value;
    return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, thinned(v, keep)]));
  }

  // Points that no other beats in both: less of x, more of y.
  function front(points) {
    const sorted = points.toSorted((a, b) => a[0] - b[0] || b[1] - a[1]);
    let best = -Infinity;
    return sorted.filter(([, y]) => y > best && ((best = y), true));
  }

  function current(figure) {
    const traces = figure.traces
      .filter(({ meta }) => !meta.settings || meta.settings.some((n) => shown.has(n)))
      .map((trace) => {
        const { points } = trace.meta;
        return points ? thinned(trace, points.map((n) => shown.has(n))) : { ...trace };
      });
    for (const trace of traces.filter(({ meta }) => meta.front !== undefined)) {
      const points = traces
        .filter(({ meta }) => meta.points && meta.condition === trace.meta.front)
        .flatMap(({ x, y }) => x.map((value, n) => [value, y[n]]));
      trace.x = front(points).map(([x]) => x);
      trace.y = front(points).map(([, y]) => y);
    }
    const layout = structuredClone(figure.layout);
    const heights = traces.filter(({ meta }) => meta.condition !== undefined).flatMap(({ y }) => y);
    if (heights.length) {
      // By the points: one wide interval would press all others together.
      const [low, high] = [Math.min(...heights), Math.max(...heights)];
      const room = Math.max(0.12 * (high - low), 0.5);
      layout.yaxis.range = [low - room, high + room];
    }
    const rows = layout.yaxis.categoryarray;
    if (rows) {
      layout.yaxis.categoryarray = rows.filter((row) => traces.some(({ y }) => y.includes(row)));
      layout.height -= data.row_px * (rows.length - layout.yaxis.categoryarray.length);
    }
    if (matchMedia("(pointer: coarse)").matches) layout.dragmode = false; // a finger scrolls the page
    if (innerWidth < 600) {
      layout.font.size = 11;
      layout.height += 60; // the legend takes more lines
    }
    const style = getComputedStyle(root);
    return [coloured(traces, style), coloured(layout, style)];
  }

  async function draw(name) {
    drawn.add(name);
    const [traces, layout] = current(data.figures[name]);
    await Plotly.react($(`plot-${name}`), traces, layout, {
      responsive: true,
      displayModeBar: false,
    });
    performance.mark(`figure-${name}`);
  }

  // One after another, so that the first is seen before the last is drawn.
  let last = Promise.resolve();
  function soon(name) {
    last = last.then(() => draw(name)).then(() => new Promise((done) => setTimeout(done)));
  }

  function redraw() {
    drawn.forEach(soon);
  }

  for (const button of document.querySelectorAll(".save")) {
    button.addEventListener("click", async () => {
      const name = button.dataset.figure;
      if (!drawn.has(name)) await draw(name);
      const options = { format: "png", scale: 2, filename: `coinfer-${name}` };
      await Plotly.downloadImage($(`plot-${name}`), options);
    });
  }

  // The library is packed, so that the file stays small enough to be sent around.
  async function unpack() {
    const bytes = Uint8Array.from(atob($("plotly").textContent), (c) => c.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    const script = document.createElement("script");
    script.textContent = await new Response(stream).text();
    document.head.append(script);
  }

  try {
    await unpack();
  } catch (error) {
    $("trouble").textContent = `This browser cannot draw the figures (${error.message}); each has its data as a table.`;
    $("trouble").hidden = false;
    return;
  }
  const near = new IntersectionObserver(
    (entries) => {
      for (const { isIntersecting, target } of entries) {
        if (!isIntersecting) continue;
        near.unobserve(target);
        soon(target.id.slice("plot-".length));
      }
    },
    { rootMargin: "600px" },
  );
  document.querySelectorAll(".plot").forEach((plot) => near.observe(plot));
  addEventListener("beforeprint", () => Object.keys(data.figures).forEach(draw));
})();
