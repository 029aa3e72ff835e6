import { expect, test } from "vitest";

import { Result, cut } from "../src/network";

const span = (start: number, stop: number) => ({ start, stop });

test("a window of an image holds its own pixels of every channel", () => {
  const values = Float32Array.from({ length: 2 * 3 * 4 }, (_, i) => i);
  const image = { channels: 2, height: 3, width: 4, values };
  const part = cut(image, [span(1, 3), span(2, 4)]);
  expect([part.channels, part.height, part.width]).toEqual([2, 2, 2]);
  expect([...part.values]).toEqual([6, 7, 10, 11, 18, 19, 22, 23]);
  expect(cut(image, [span(0, 3), span(0, 4)])).toBe(image);
});

test("a result takes over the part that a tile owns, and the first of equal classes", () => {
  const result = new Result(2, 2, 3);
  const tile = Float32Array.from([0.5, 0.25, 1, 0, 0.5, 0.75, 0, 1]); // K 2 2
  result.set(tile, [span(0, 2), span(1, 3)], [span(0, 2), span(1, 3)]);
  result.set(Float32Array.from([0, 0, 1, 1]), [span(0, 2), span(0, 1)], [span(1, 2), span(0, 1)]);
  const { labels, probabilities } = result.taken();
  expect([...labels]).toEqual([0, 0, 1, 1, 0, 1]);
  expect([...probabilities.subarray(6)]).toEqual([0, 128, 191, 255, 0, 255]);
});
