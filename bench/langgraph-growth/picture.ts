// Draws what was measured: time of a turn and bytes on disk over the length of the conversation, both axes logarithmic.
import { TURN_BYTES } from "./conversation.ts";
import { type Measured, turnMsAround } from "./measure.ts";
import { importPeer, type SaverName } from "./savers.ts";

interface Point {
  readonly turn: number;
  readonly value: number;
}

interface Line {
  readonly label: string;
  /** Classes of the style sheet: whose line it is, and in which kind of store. */
  readonly look: string;
  readonly points: readonly Point[];
}

interface Panel {
  readonly title: string;
  readonly lines: readonly Line[];
  format(value: number): string;
}

const WIDTH = 1_000;
const HEIGHT = 440;
const PLOT = { top: 112, bottom: 388, width: 200 };
const PANEL_LEFTS = [72, 566] as const;
const FIRST_TURN = 10;
const LABEL_GAP = 20;

/** Without the one that differs in its syncs alone. */
const LOOKS: { readonly [name in SaverName]?: string } = {
  memory: "peer in-memory",
  sqlite: "peer",
  postgres: "peer in-postgres",
  "ours-memory": "ours in-memory",
  "ours-sqlite": "ours",
  floor: "floor",
};

/** A picture as SVG, with its own colours for light and dark pages. */
export async function drawGrowth(measured: readonly Measured[]): Promise<string> {
  const all = measured.filter(({ name }) => LOOKS[name] !== undefined);
  const d3 = { ...((await importPeer("d3-scale")) as ScaleModule), ...((await importPeer("d3-shape")) as ShapeModule) };
  const panels = [timePanel(all), bytesPanel(all)];
  const lastTurn = Math.max(
    ...panels.flatMap(({ lines }) => lines.flatMap(({ points }) => points.map(({ turn }) => turn))),
  );
  const drawn = panels.map((panel, i) => drawPanel(d3, panel, PANEL_LEFTS[i] ?? 0, lastTurn));
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" role="img" aria-labelledby="title description">
<title id="title">What a long conversation costs on each LangGraph checkpointer</title>
<desc id="description">${describe(panels)}</desc>
<style>
${STYLE}
</style>
<rect class="page" x="0.5" y="0.5" width="${WIDTH - 1}" height="${HEIGHT - 1}" rx="10"/>
<text class="title" x="24" y="40">What a long conversation costs on each LangGraph checkpointer</text>
<text x="24" y="62">One graph, ${(lastTurn).toLocaleString("en")} turns: a question of 0.5 KB and an answer of 1 KB each. Both axes are logarithmic.</text>
${drawn.join("\n")}
</svg>
`;
}

const STYLE = `
  svg { color-scheme: light dark; --page: #ffffff; --edge: #d8dee4; --ink: #1f2328; --soft: #59636e; --grid: #e7eaee; --peer: #767f89; --ours: #0b62d6; }
  @media (prefers-color-scheme: dark) {
    svg { --page: #0d1117; --edge: #30363d; --ink: #f0f6fc; --soft: #9aa4af; --grid: #222a33; --peer: #8d97a3; --ours: #58a6ff; }
  }
  text { font: 13px system-ui, -apple-system, "Segoe UI", "Liberation Sans", Arial, sans-serif; fill: var(--soft); }
  .page { fill: var(--page); stroke: var(--edge); }
  .title { font-size: 18px; font-weight: 600; fill: var(--ink); }
  .panel-title { font-size: 14px; font-weight: 600; fill: var(--ink); }
  .grid { stroke: var(--grid); }
  .axis { stroke: var(--edge); }
  path { fill: none; stroke-linecap: round; stroke-linejoin: round; stroke: var(--peer); stroke-width: 2; }
  path.in-memory { stroke-dasharray: 7 5; }
  path.in-postgres { stroke-dasharray: 1.5 5; }
  path.floor { stroke-width: 1.25; stroke-dasharray: 2 3; }
  path.ours { stroke: var(--ours); stroke-width: 3; }
  .label.ours { fill: var(--ours); font-weight: 600; }
  path.leader { stroke: var(--edge); stroke-width: 1; }
  circle { fill: var(--peer); }
  circle.ours { fill: var(--ours); }
`.trim();

function timePanel(all: readonly Measured[]): Panel {
  const lines = all.map((measured): Line => {
    const points = measured.marks.flatMap(({ turn }) => {
      const value = turnMsAround(measured, turn);
      return value === undefined || turn < FIRST_TURN ? [] : [{ turn, value }];
    });
    return { label: measured.title, look: LOOKS[measured.name] ?? "", points };
  });
  const format = (ms: number): string => `${ms < 10 ? Number(ms.toPrecision(2)) : Math.round(ms)} ms`;
  return { title: "Time of a turn", lines, format };
}

function bytesPanel(all: readonly Measured[]): Panel {
  const onDisk = all.filter(({ name }) => ["sqlite", "postgres", "ours-sqlite"].includes(name));
  const lines = onDisk.map((measured): Line => {
    const { title, name, marks } = measured;
    const points = marks.filter(({ turn }) => turn >= FIRST_TURN && turnMsAround(measured, turn) !== undefined);
    return { label: title, look: LOOKS[name] ?? "", points: points.map(({ turn, bytes }) => ({ turn, value: bytes })) };
  });
  const longest = lines.reduce<readonly Point[]>((a, { points }) => (points.length > a.length ? points : a), []);
  const text = longest.map(({ turn }) => ({ turn, value: turn * TURN_BYTES }));
  lines.push({ label: "the text itself", look: "floor", points: text });
  return { title: "Bytes on disk", lines, format: inUnits };
}

function drawPanel(
  d3: ScaleModule & ShapeModule,
  { title, lines, format }: Panel,
  left: number,
  lastTurn: number,
): string {
  const right = left + PLOT.width;
  const values = lines.flatMap(({ points }) => points.map(({ value }) => value));
  const low = 10 ** Math.floor(Math.log10(Math.min(...values)));
  const high = Math.max(...values) * 1.15;
  const x = d3.scaleLog().domain([FIRST_TURN, lastTurn]).range([left, right]);
  const y = d3.scaleLog().domain([low, high]).range([PLOT.bottom, PLOT.top]);
  const path = d3
    .line<Point>()
    .x(({ turn }) => round(x(turn)))
    .y(({ value }) => round(y(value)))
    .curve(d3.curveMonotoneX);
  const parts = [`<text class="panel-title" x="${left}" y="${PLOT.top - 14}">${title}</text>`];
  for (let power = low; power <= high; power *= 10) {
    const at = round(y(power));
    parts.push(`<line class="${power === low ? "axis" : "grid"}" x1="${left}" x2="${right}" y1="${at}" y2="${at}"/>`);
    parts.push(`<text text-anchor="end" x="${left - 10}" y="${at + 4}">${format(power)}</text>`);
  }
  for (const turn of [10, 30, 100, 300, 1_000].filter((each) => each <= lastTurn)) {
    const label = turn === FIRST_TURN ? `turn ${turn}` : turn.toLocaleString("en");
    parts.push(`<text text-anchor="middle" x="${round(x(turn))}" y="${PLOT.bottom + 24}">${label}</text>`);
  }
  const ends = lines.flatMap((line) => {
    const last = line.points.at(-1);
    return last === undefined
      ? []
      : [{ line, x: x(last.turn), y: y(last.value), value: last.value, at: y(last.value) }];
  });
  spread(ends);
  // Ours last, so that they lie on top.
  for (const { line, ...end } of ends.sort((a, b) => Number(isOurs(a.line)) - Number(isOurs(b.line)))) {
    parts.push(`<path class="${line.look}" d="${path(line.points)}"/>`);
    parts.push(`<circle class="${line.look}" cx="${round(end.x)}" cy="${round(end.y)}" r="${isOurs(line) ? 4 : 3}"/>`);
    const from = round(end.x + 6);
    const to = round(end.x + 15);
    if (Math.abs(end.at - end.y) > 3) {
      parts.push(`<path class="leader" d="M${from},${round(end.y)}L${to},${round(end.at)}"/>`);
    }
    parts.push(
      `<text class="label ${line.look}" x="${round(end.x + 18)}" y="${round(end.at + 4.5)}">${line.label} · ${format(end.value)}</text>`,
    );
  }
  return parts.join("\n");
}

/** Moves labels apart, as little as is needed, so that none lies on another. */
function spread(ends: { readonly y: number; at: number }[]): void {
  const sorted = ends.sort((a, b) => a.y - b.y);
  for (let pass = 0; pass < 50; pass++) {
    for (const [i, upper] of sorted.entries()) {
      const lower = sorted[i + 1];
      const missing = lower === undefined ? 0 : LABEL_GAP - (lower.at - upper.at);
      if (lower === undefined || missing <= 0) continue;
      upper.at -= missing / 2;
      lower.at += missing / 2;
    }
    const below = (sorted.at(-1)?.at ?? 0) - PLOT.bottom;
    if (below > 0) for (const end of sorted.slice(-1)) end.at -= below;
  }
}

function describe(panels: readonly Panel[]): string {
  return panels
    .map(({ title, lines, format }) => {
      const ends = lines.map(({ label, points }) => {
        const last = points.at(-1);
        return `${label} ${format(last?.value ?? 0)} at turn ${last?.turn ?? 0}`;
      });
      return `${title}: ${ends.join("; ")}.`;
    })
    .join(" ");
}

function isOurs({ look }: Line): boolean {
  return look.startsWith("ours");
}

function inUnits(bytes: number): string {
  const [unit, size] = bytes >= 1e9 ? ["GB", 1e9] : bytes >= 1e6 ? ["MB", 1e6] : (["kB", 1e3] as const);
  const amount = bytes / Number(size);
  return `${amount < 10 ? Number(amount.toPrecision(2)) : Math.round(amount)} ${unit}`;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

interface ScaleModule {
  scaleLog(): LogScale;
}

interface LogScale {
  (value: number): number;
  domain(limits: readonly number[]): LogScale;
  range(limits: readonly number[]): LogScale;
}

interface ShapeModule {
  line<T>(): LineOf<T>;
  readonly curveMonotoneX: unknown;
}

interface LineOf<T> {
  (points: readonly T[]): string;
  x(value: (point: T) => number): LineOf<T>;
  y(value: (point: T) => number): LineOf<T>;
  curve(curve: unknown): LineOf<T>;
}
