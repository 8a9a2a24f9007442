import assert from "node:assert/strict";
import { plot } from "./plot.ts";

Deno.test("plot() puts a value ten times as large one step further on both axes", () => {
  const points = [[1, 10], [10, 100], [100, 1_000]] as const;
  const svg = plot("title", "x", "y", [{ name: "line", points }]);
  const circles = [...svg.matchAll(/<circle cx="(\d+)" cy="(\d+)"/g)].map((
    [, x, y],
  ) => [Number(x), Number(y)]);
  assert.deepEqual(circles, [[70, 390], [330, 215], [590, 40]]);
  assert.match(svg, />line<\/text>/);
});
