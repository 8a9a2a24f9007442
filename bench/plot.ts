/** A plot of how cost grows, both axes logarithmic, as SVG. */

export interface Line {
  name: string;
  /** x and y, both above 0. */
  points: readonly (readonly [number, number])[];
}

const SIZE = { width: 760, height: 440 };
const FRAME = { left: 70, right: 170, top: 40, bottom: 50 };
const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"]; // Okabe and Ito's, told apart by all

export function plot(title: string, xTitle: string, yTitle: string, lines: readonly Line[]): string {
  const points = lines.flatMap((line) => line.points);
  const x = axis(points.map(([x]) => x), FRAME.left, SIZE.width - FRAME.right);
  const y = axis(points.map(([, y]) => y), SIZE.height - FRAME.bottom, FRAME.top);
  const [left, right] = [FRAME.left, SIZE.width - FRAME.right];
  const [top, bottom] = [FRAME.top, SIZE.height - FRAME.bottom];
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${SIZE.width} ${SIZE.height}" font-family="sans-serif" font-size="12">`,
    `<rect width="100%" height="100%" fill="white"/>`,
    `<text x="${left}" y="24" font-size="15">${title}</text>`,
    ...x.ticks.map((tick) =>
      `<path d="M${x.at(tick)} ${top}V${bottom}" stroke="#ddd"/>` +
      `<text x="${x.at(tick)}" y="${bottom + 18}" text-anchor="middle">${tick.toLocaleString("en")}</text>`
    ),
    ...y.ticks.map((tick) =>
      `<path d="M${left} ${y.at(tick)}H${right}" stroke="#ddd"/>` +
      `<text x="${left - 8}" y="${y.at(tick) + 4}" text-anchor="end">${tick.toLocaleString("en")}</text>`
    ),
    `<text x="${(left + right) / 2}" y="${SIZE.height - 12}" text-anchor="middle">${xTitle}</text>`,
    `<text transform="translate(16 ${(top + bottom) / 2}) rotate(-90)" text-anchor="middle">${yTitle}</text>`,
    ...lines.map((line, i) => drawLine(line, COLOURS[i % COLOURS.length] ?? "black", x.at, y.at)),
    "</svg>\n",
  ].join("\n");
}

function drawLine({ name, points }: Line, colour: string, x: Place, y: Place): string {
  const path = points.map(([a, b], i) => `${i === 0 ? "M" : "L"}${x(a)} ${y(b)}`).join("");
  const [lastX = 1, lastY = 1] = points.at(-1) ?? [];
  return `<path d="${path}" fill="none" stroke="${colour}" stroke-width="2"/>` +
    points.map(([a, b]) => `<circle cx="${x(a)}" cy="${y(b)}" r="3" fill="${colour}"/>`).join("") +
    `<text x="${x(lastX) + 8}" y="${y(lastY) + 4}" fill="${colour}">${name}</text>`;
}

type Place = (value: number) => number;

/** From the power of ten below all values to the one above. */
function axis(values: readonly number[], from: number, to: number): { at: Place; ticks: number[] } {
  const low = Math.floor(Math.log10(Math.min(...values)));
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...values))));
  const share = (value: number) => (Math.log10(value) - low) / (high - low);
  return {
    at: (value) => Math.round(from + (to - from) * share(value)),
    ticks: Array.from({ length: high - low + 1 }, (_, i) => 10 ** (low + i)),
  };
}
