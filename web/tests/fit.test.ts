import { expect, test } from "vitest";

import { fitted, visible } from "../src/fit";
import { paintLabels, shareColour, shares } from "../src/paint";

const image = (channels: number, values: number[]) => ({
  channels,
  height: 1,
  width: values.length / channels,
  values: Float32Array.from(values),
  type: "8-bit",
  notes: [],
});

test("grey goes into a colour model three times, with a word about it", () => {
  const fit = fitted(image(1, [7, 9]), ["red", "green", "blue"]);
  expect([...fit.values]).toEqual([7, 9, 7, 9, 7, 9]);
  expect(fit.notes).toEqual(["grey repeated as red, green, blue"]);
});

test("other channels than the model's are refused", () => {
  expect(() => fitted(image(3, [1, 2, 3]), ["grey"])).toThrow("wrong number of channels");
  expect(() => fitted(image(1, [1]), ["a", "b"])).toThrow("wrong number of channels");
});

test("NaN is refused", () => {
  expect(() => fitted(image(1, [1, NaN]), ["grey"])).toThrow("NaN");
});

test("what is seen goes from black to white", () => {
  expect([...visible(image(1, [1000, 2000, 3000]))]).toEqual([0, 0, 0, 255, 128, 128, 128, 255, 255, 255, 255, 255]);
  expect([...visible(image(2, [0, 1, 1, 0]))]).toEqual([255, 0, 255, 255, 0, 255, 0, 255]);
  expect([...visible(image(1, [5, 5]))].filter((_, i) => i % 4 < 3)).toEqual([0, 0, 0, 0, 0, 0]);
});

test("shares add up, and their colours begin and end as viridis does", () => {
  expect(shares(Uint8Array.from([0, 1, 1, 2]), 4)).toEqual([0.25, 0.5, 0.25, 0]);
  expect([shareColour(0), shareColour(1), shareColour(0.5)]).toEqual([
    [68, 1, 84],
    [253, 231, 37],
    [33, 145, 140],
  ]);
});

test("edges are opaque, fills are not, and classes that are not shown stay clear", () => {
  globalThis.ImageData ??= class {
    data: Uint8ClampedArray;
    constructor(
      readonly width: number,
      readonly height: number,
    ) {
      this.data = new Uint8ClampedArray(4 * width * height);
    }
  } as unknown as typeof ImageData;
  const classes = [
    { name: "a", colour: [1, 1, 1] as const },
    { name: "b", colour: [9, 8, 7] as const },
  ];
  const { data } = paintLabels(Uint8Array.from([0, 1, 1, 1]), { width: 4, height: 1 }, classes, [false, true]);
  expect([data[3], data[7], data[11], data[15]]).toEqual([0, 255, 116, 116]);
  expect([...data.subarray(4, 7)]).toEqual([9, 8, 7]);
});
