import { decode } from "fast-png";
import { expect, test } from "vitest";

import { maskOf } from "../src/mask";
import { encodePng } from "../src/png";
import { readPng } from "../src/read-png";

const classes = [
  { name: "background", colour: [0, 0, 0] as const },
  { name: "cell", colour: [230, 159, 0] as const },
  { name: "gap", colour: [10, 20, 30] as const },
];
const labels = Uint8Array.from([0, 1, 2, 2, 1, 1]);

async function written(bitmap: Parameters<typeof encodePng>[0]) {
  const bytes = new Uint8Array(await (await encodePng(bitmap)).arrayBuffer());
  return { bytes, png: decode(bytes, { checkCrc: true }) };
}

test.each([8, 16] as const)("masks hold the values of the training masks in %i bits", async (bits) => {
  const values = [0, 100, bits === 8 ? 255 : 40_000];
  const { png } = await written(maskOf(labels, 3, { mask: { kind: "numbers", values, bits }, classes }));
  expect([png.width, png.height, png.depth, png.channels]).toEqual([3, 2, bits, 1]);
  expect([...png.data]).toEqual([...labels].map((label) => values[label]));
});

test("palette masks hold values, and each class's colour", async () => {
  const values = [0, 2, 1];
  const { png } = await written(maskOf(labels, 3, { mask: { kind: "palette", values, bits: 8 }, classes }));
  expect([...png.data]).toEqual([0, 2, 1, 1, 2, 2]);
  expect(png.palette).toEqual([
    [0, 0, 0],
    [10, 20, 30],
    [230, 159, 0],
  ]);
});

test("colour masks hold colours", async () => {
  const { bytes, png } = await written(maskOf(labels, 3, { mask: { kind: "colours" }, classes }));
  expect([...png.data.subarray(0, 9)]).toEqual([0, 0, 0, 230, 159, 0, 10, 20, 30]);
  const read = readPng(bytes);
  expect([...read.values.subarray(0, 6)]).toEqual([0, 230, 10, 10, 230, 230]);
});

test("object masks number the regions of class 1", async () => {
  const { png } = await written(maskOf(Uint8Array.from([1, 0, 1, 1, 0, 1]), 3, { mask: { kind: "objects" }, classes }));
  expect([...png.data]).toEqual([1, 0, 2, 1, 0, 2]);
  expect(png.depth).toBe(16);
});

test("a palette image is read as RGB", async () => {
  const palette = [[1, 2, 3] as const, [4, 5, 6] as const];
  const { bytes } = await written({ width: 2, height: 1, samples: Uint8Array.from([1, 0]), palette });
  const read = readPng(bytes);
  expect([read.channels, ...read.values]).toEqual([3, 4, 1, 5, 2, 6, 3]);
});

test("a damaged file is refused", async () => {
  const { bytes } = await written({
    width: 9,
    height: 9,
    samples: Uint16Array.from({ length: 81 }, (_, i) => i * 700),
  });
  expect(() => readPng(bytes.subarray(0, 60))).toThrow("damaged");
  const flipped = Uint8Array.from(bytes);
  flipped[50]! ^= 255;
  expect(() => readPng(flipped)).toThrow("damaged");
  expect([...readPng(bytes).values]).toEqual(Array.from({ length: 81 }, (_, i) => i * 700));
});
