import { expect, test } from "vitest";

import { exactTiles, gaussian, length, overlapping } from "../src/tiles";

test("tiles are those of unetkit.prediction.tiles", () => {
  const columns = exactTiles([1, 8], 4, 1, 2).map((tile) => tile.read[1]);
  expect(columns).toEqual([
    { start: 0, stop: 6 },
    { start: 2, stop: 8 },
  ]);
});

test.each([
  [1, 1, 16, 8, 4],
  [37, 50, 16, 5, 4],
  [64, 64, 16, 0, 8],
  [33, 100, 10, 70, 32],
])("tiles of %i × %i cover it once, on the grid, with their halo", (height, width, side, halo, grid) => {
  const seen = new Uint8Array(height * width);
  for (const { read, write } of exactTiles([height, width], side, halo, grid)) {
    for (const [axis, extent] of [height, width].entries()) {
      expect(read[axis]!.start % grid).toBe(0);
      expect(read[axis]!.start).toBeLessThanOrEqual(Math.max(write[axis]!.start - halo, 0));
      expect(read[axis]!.stop).toBeGreaterThanOrEqual(Math.min(write[axis]!.stop + halo, extent));
    }
    for (let row = write[0].start; row < write[0].stop; row++) {
      for (let column = write[1].start; column < write[1].stop; column++) seen[row * width + column]!++;
    }
  }
  expect(new Set(seen)).toEqual(new Set([1]));
});

test("overlapping windows are those of unetkit.prediction.blend", () => {
  expect(overlapping(13, 8, 4, 2)).toEqual([
    { start: 0, stop: 8 },
    { start: 4, stop: 12 },
    { start: 6, stop: 13 },
  ]);
  expect(overlapping(8, 8, 4, 2).map(length)).toEqual([8]);
});

test("weights are largest in the middle and even", () => {
  const weights = gaussian(8);
  expect(weights[3]).toBe(weights[4]);
  expect(weights[0]).toBe(weights[7]);
  expect(Math.max(...weights)).toBe(weights[3]);
  expect(weights[0]).toBeCloseTo(Math.exp(-0.5 * (0.4375 / 0.125) ** 2), 6);
});
