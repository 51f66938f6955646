// The statistics page: charts in place of the still drawings, and every five
// seconds a new sample without loading again.

import { bytes, count, nanoseconds, percent } from "./base/format.js";

const uPlot = window.uPlot;
const box = document.getElementById("charts");
const view = box.dataset.view;
const SECONDS = { "10m": 600, "1h": 3600, "24h": 86400 }[view];

/** Of a chart, in pixels. */
const HEIGHT = 210;

const TILES = {
  hit_rate: percent, miss_rate: percent, requests: count, hits: count, misses: count,
  evictions: count, items: count, size_bytes: bytes, capacity_bytes: bytes,
  hit_ns_mean: nanoseconds, hit_ns_p99: nanoseconds, miss_ns_mean: nanoseconds, miss_ns_p99: nanoseconds,
};

const rate = (part) => (s) => (s.requests ? s[part] / s.requests : null);
const perSecond = (part) => (s) => s[part] / Math.max(1, s.seconds);
const time = (part) => (s) => s[part] || null;
const perSecondText = (value) => (value === null ? "–" : `${Number(value.toPrecision(3))}/s`);

const CHARTS = {
  rates: {
    lines: [["Hit rate", "hit", rate("hits")], ["Miss rate", "miss", rate("misses")]],
    text: percent, range: [0, 1], ticks: (value) => `${Math.round(value * 100)}%`,
  },
  requests: {
    lines: [["Hits", "hit", perSecond("hits")], ["Misses", "miss", perSecond("misses")]],
    text: perSecondText, fill: true,
  },
  memory: {
    lines: [
      ["In use", "size", (s) => s.size_bytes], ["Capacity", "capacity", (s) => s.capacity_bytes],
      ["Items", "items", (s) => s.items, "count"],
    ],
    text: bytes, fill: true, increments: [...Array(50).keys()].map((power) => 2 ** power),
  },
  latency: {
    lines: [["Hit", "hit", time("hit_ns_p99")], ["Miss", "miss", time("miss_ns_p99")]],
    text: nanoseconds, logarithmic: true,
    ticks: (value) => nanoseconds(value).replace(/\.0+ /, " "),
  },
};

/** Distances between the marks of the time axis, in seconds. */
const STEPS = [1, 5, 10, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 14400, 21600];

const isDecade = (value) => Math.abs(Math.log10(value) - Math.round(Math.log10(value))) < 1e-9;
const decades = (_, splits) => splits.map((value) => (isDecade(value) ? value : null));

let samples = [];
let plots = [];

/** The colour of a class in the theme in force, as the canvas needs it. */
function colour(name) {
  const probe = document.createElement("span");
  probe.className = `probe ${name}`;
  box.append(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
}

/** Columns of a chart; a pause in the samples becomes a gap. */
function columns({ lines }) {
  const data = [[], ...lines.map(() => [])];
  let before = null;
  for (const sample of samples) {
    if (before && sample.at - before.at > 3 * Math.max(sample.seconds, before.seconds)) {
      data[0].push(before.at + 1);
      for (const column of data.slice(1)) column.push(null);
    }
    data[0].push(sample.at);
    lines.forEach(([, , value], number) => data[number + 1].push(value(sample)));
    before = sample;
  }
  return data;
}

function draw() {
  for (const { plot } of plots) plot.destroy();
  plots = [];
  const faint = colour("grid");
  const ink = colour("axis");
  for (const figure of box.querySelectorAll("[data-chart]")) {
    const chart = CHARTS[figure.dataset.chart];
    const host = figure.querySelector(".plot");
    const hasCount = chart.lines.some((line) => line[3]);
    const axis = { stroke: ink, font: "12px system-ui, sans-serif", ticks: { stroke: faint, width: 1, size: 4 } };
    const options = {
      width: host.clientWidth,
      height: HEIGHT,
      padding: [10, hasCount ? 0 : 10, 0, 0],
      legend: { show: false },
      cursor: { y: false, points: { size: 7 }, sync: { key: "time" } },
      scales: {
        x: { time: true, range: () => { const now = Date.now() / 1000; return [now - SECONDS, now]; } },
        y: {
          distr: chart.logarithmic ? 3 : 1,
          range: chart.range ?? (chart.logarithmic ? undefined : (_, __, most) => [0, most ? most * 1.08 : 1]),
        },
        count: { range: (_, __, most) => [0, most ? most * 1.25 : 10] },
      },
      axes: [
        { ...axis, size: 28, grid: { show: false }, space: 62, incrs: STEPS, values: timeLabels },
        {
          ...axis, size: 66, space: 34,
          ...(chart.logarithmic ? { filter: decades } : {}),
          grid: { stroke: faint, width: 1, ...(chart.logarithmic ? { filter: decades } : {}) },
          ticks: { ...axis.ticks, ...(chart.logarithmic ? { filter: decades } : {}) },
          incrs: chart.increments,
          values: (_, splits) => splits.map((value) => (value === null ? "" : (chart.ticks ?? chart.text)(value))),
        },
        ...(hasCount ? [{
          ...axis, scale: "count", side: 1, size: 44, space: 34, grid: { show: false },
          values: (_, splits) => splits.map((value) => (Number.isInteger(value) ? count(value) : "")),
        }] : []),
      ],
      series: [
        {},
        ...chart.lines.map(([label, name, , scale]) => ({
          label,
          scale: scale ?? "y",
          stroke: colour(name),
          width: 2,
          dash: name === "capacity" ? [6, 4] : undefined,
          fill: chart.fill && name !== "capacity" && !scale ? colour(`${name}-fill`) : undefined,
          points: { size: 5, show: (plot, series) => samples.length < 3 || undefined },
        })),
      ],
      hooks: { setLegend: [(plot) => legend(figure, chart, plot)] },
    };
    figure.classList.add("drawn");
    plots.push({ chart, figure, host, plot: new uPlot(options, columns(chart), host) });
  }
}

function timeLabels(plot, splits) {
  const seconds = splits.length > 1 && splits[1] - splits[0] < 60;
  const format = new Intl.DateTimeFormat(undefined, {
    hour: "2-digit", minute: "2-digit", ...(seconds ? { second: "2-digit" } : {}),
  });
  return splits.map((split) => format.format(new Date(split * 1000)));
}

/** The values under the cursor, beside the names. */
function legend(figure, { lines, text }, plot) {
  const at = plot.cursor.idx;
  figure.querySelectorAll(".swatch").forEach((swatch, number) => {
    const [name, , , isCount] = lines[number];
    const value = at === null || at === undefined ? null : plot.data[number + 1][at];
    const shown = value === null || value === undefined ? "" : ` ${(isCount ? count : text)(value)}`;
    swatch.textContent = name + shown;
  });
}

function refresh() {
  const since = Date.now() / 1000 - SECONDS;
  samples = samples.filter((sample) => sample.at >= since);
  for (const { chart, plot } of plots) plot.setData(columns(chart));
  for (const { chart, figure } of plots) {
    const last = samples.at(-1);
    if (!last) continue;
    figure.querySelector(".sr").textContent = chart.lines
      .map(([name, , value, isCount]) => {
        const now = value(last);
        return `${name}: now ${now === null ? "nothing" : (isCount ? count : chart.text)(now)}.`;
      })
      .join(" ");
  }
}

function tell(summary) {
  for (const [name, text] of Object.entries(TILES)) {
    const tile = document.getElementById(`tile-${name}`);
    const value = text(summary[name]);
    if (tile.textContent === value) continue;
    tile.textContent = value;
    tile.classList.remove("moved");
    void tile.offsetWidth;
    tile.classList.add("moved");
  }
}

function add(sample) {
  if (!sample || samples.some(({ at }) => at === sample.at)) return;
  samples.push(sample);
  samples.sort((a, b) => a.at - b.at);
}

async function load() {
  const answer = await fetch(`/statistics/data?view=${view}`, { headers: { accept: "application/json" } });
  if (!answer.ok) return;
  const data = await answer.json();
  samples = [];
  data.samples.forEach(add);
  tell(data.summary);
  refresh();
}

function listen() {
  const live = document.getElementById("live");
  const say = (state, text) => {
    live.dataset.state = state;
    document.getElementById("live-text").textContent = text;
  };
  let wasAway = false;
  let source;
  const connect = () => {
    source = new EventSource("/statistics/events");
    source.addEventListener("open", () => {
      say("live", "Live");
      // What was sampled meanwhile is in the store.
      if (wasAway) load().catch(() => {});
      wasAway = false;
    });
    source.addEventListener("error", () => {
      wasAway = true;
      say("away", "Connection lost, trying again");
      // After some errors the browser gives up; we don't.
      if (source.readyState === EventSource.CLOSED) setTimeout(connect, 3000);
    });
    source.addEventListener("message", ({ data }) => {
      const { sample, summary } = JSON.parse(data);
      add(sample);
      tell(summary);
      refresh();
    });
  };
  connect();
  addEventListener("pagehide", () => source.close());
  addEventListener("pageshow", (event) => event.persisted && connect());
}

// The still drawings don't know of items.
document.querySelector('[data-chart="memory"] .legend')
  .append(Object.assign(document.createElement("span"), { className: "swatch items", textContent: "Items" }));
draw();
load().catch(() => {});
listen();
document.addEventListener("larder:theme", draw);
let waiting = 0;
new ResizeObserver(() => {
  cancelAnimationFrame(waiting);
  waiting = requestAnimationFrame(() => {
    for (const { plot, host } of plots) {
      if (host.clientWidth !== plot.width) plot.setSize({ width: host.clientWidth, height: HEIGHT });
    }
  });
}).observe(box);
