import { expect, test } from "vitest";

import { connected } from "../src/objects";

test("regions that meet later are one, and numbers are in row-major order", () => {
  const labels = [
    [0, 1, 0, 1, 0],
    [0, 1, 1, 1, 0],
    [0, 0, 0, 0, 1],
    [1, 0, 2, 0, 1],
  ];
  const { count, ids } = connected(Uint8Array.from(labels.flat()), 5, 1);
  expect(count).toBe(3);
  expect([...ids]).toEqual([0, 1, 0, 1, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 2, 3, 0, 0, 0, 2]);
});

test("rows do not join around the edge", () => {
  expect(connected(Uint8Array.from([0, 1, 1, 0]), 2, 1).count).toBe(2);
});

test("nothing is no object", () => {
  expect(connected(new Uint8Array(6), 3, 1).count).toBe(0);
});
