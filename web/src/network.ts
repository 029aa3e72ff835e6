/** The model at work: the whole image is measured, then predicted in one pass or tile by tile. */

import * as ort from "onnxruntime-web/wasm";

import type { TileFacts } from "./facts";
import { type Pixels, requireSize } from "./picture";
import { LEAST_WEIGHT, type Span, exactTiles, gaussian, length, overlapping } from "./tiles";

export interface Graphs {
  /** onnxruntime's WebAssembly. */
  runtime: ArrayBuffer;
  /** ONNX: an image -> its statistics. */
  measure: ArrayBuffer;
  /** ONNX: a tile and the image's statistics -> probabilities. */
  predict: ArrayBuffer;
}

export interface Prediction {
  /** Class numbers, H W. */
  labels: Uint8Array<ArrayBuffer>;
  /** Of each class, 0 to 255 for 0 to 1: K H W. */
  probabilities: Uint8Array<ArrayBuffer>;
  /** In how many parts. */
  parts: number;
  /** Whether the parts give what one pass would give. */
  exact: boolean;
}

type Window = readonly [Span, Span];
type Progress = (share: number) => void;
/** A window of the image -> probabilities, K times its pixels. */
type Predict = (window: Window) => Promise<Float32Array>;

export class Network {
  private constructor(
    private readonly measure: ort.InferenceSession,
    private readonly predict: ort.InferenceSession,
    private readonly classes: number,
    private readonly tiles: TileFacts,
  ) {}

  static async load(graphs: Graphs, classes: number, tiles: TileFacts): Promise<Network> {
    ort.env.wasm.numThreads = 1; // more would need headers that a file has not
    ort.env.wasm.wasmBinary = graphs.runtime;
    ort.env.logLevel = "error";
    const open = (model: ArrayBuffer) =>
      ort.InferenceSession.create(model, { executionProviders: ["wasm"], enableCpuMemArena: false });
    return new Network(await open(graphs.measure), await open(graphs.predict), classes, tiles);
  }

  async run(image: Pixels, progress: Progress): Promise<Prediction> {
    requireSize(image.width, image.height, this.classes);
    const { statistics } = await this.measure.run({ image: tensor(image) });
    if (statistics === undefined) throw new Error("the image was not measured");
    const predict: Predict = async (window) => {
      const { probabilities } = await this.predict.run({ image: tensor(cut(image, window)), statistics });
      if (probabilities === undefined) throw new Error("the network gave nothing");
      return probabilities.data as Float32Array;
    };
    const { height, width } = image;
    if (height * width <= this.tiles.whole || Math.max(height, width) <= this.tiles.side) {
      const all: Window = [whole(height), whole(width)];
      const result = new Result(this.classes, height, width);
      result.set(await predict(all), all, all);
      progress(1);
      return { ...result.taken(), parts: 1, exact: true };
    }
    return this.tiles.exact ? this.tiled(image, predict, progress) : this.blended(image, predict, progress);
  }

  private async tiled(image: Pixels, predict: Predict, progress: Progress): Promise<Prediction> {
    const result = new Result(this.classes, image.height, image.width);
    const tiles = exactTiles([image.height, image.width], this.tiles.side, this.tiles.halo, this.tiles.grid);
    for (const [number, tile] of tiles.entries()) {
      result.set(await predict(tile.read), tile.read, tile.write);
      progress((number + 1) / tiles.length);
    }
    return { ...result.taken(), parts: tiles.length, exact: true };
  }

  /** Overlapping windows, averaged: a pixel near the edge of a window has seen less, so it counts less. */
  private async blended(image: Pixels, predict: Predict, progress: Progress): Promise<Prediction> {
    const { height, width } = image;
    const { side, overlap, grid } = this.tiles;
    const columns = overlapping(width, side, overlap, grid);
    const windows = overlapping(height, side, overlap, grid).flatMap((rows) => columns.map((c) => [rows, c] as const));
    const total = new Float32Array(this.classes * height * width);
    const weight = new Float32Array(height * width);
    for (const [number, window] of windows.entries()) {
      add(await predict(window), window, total, weight, width);
      progress((number + 1) / windows.length);
    }
    for (let i = 0; i < total.length; i++) total[i]! /= weight[i % weight.length]!;
    const all: Window = [whole(height), whole(width)];
    const result = new Result(this.classes, height, width);
    result.set(total, all, all);
    return { ...result.taken(), parts: windows.length, exact: false };
  }
}

function whole(extent: number): Span {
  return { start: 0, stop: extent };
}

function tensor(image: Pixels): ort.Tensor {
  return new ort.Tensor("float32", image.values, [1, image.channels, image.height, image.width]);
}

/** A window of an image. */
export function cut(image: Pixels, [rows, columns]: Window): Pixels {
  const { channels, width, height, values } = image;
  if (length(rows) === height && length(columns) === width) return image;
  const across = length(columns);
  const out = new Float32Array(channels * length(rows) * across);
  let at = 0;
  for (let channel = 0; channel < channels; channel++) {
    for (let row = rows.start; row < rows.stop; row++, at += across) {
      const from = (channel * height + row) * width;
      out.set(values.subarray(from + columns.start, from + columns.stop), at);
    }
  }
  return { channels, height: length(rows), width: across, values: out };
}

/** Add a window's weighted probabilities to the sums. */
function add(part: Float32Array, [rows, columns]: Window, total: Float32Array, weight: Float32Array, width: number) {
  const down = gaussian(length(rows));
  const across = gaussian(length(columns));
  const size = down.length * across.length;
  for (let row = 0, from = 0; row < down.length; row++) {
    let to = (rows.start + row) * width + columns.start;
    for (let column = 0; column < across.length; column++, from++, to++) {
      const counts = Math.max(down[row]! * across[column]!, LEAST_WEIGHT);
      weight[to]! += counts;
      for (let k = 0; k * size < part.length; k++) total[k * weight.length + to]! += part[k * size + from]! * counts;
    }
  }
}

/** Labels and probabilities of an image, filled part by part. */
export class Result {
  private readonly labels: Uint8Array<ArrayBuffer>;
  private readonly probabilities: Uint8Array<ArrayBuffer>;

  constructor(
    private readonly classes: number,
    private readonly height: number,
    private readonly width: number,
  ) {
    this.labels = new Uint8Array(height * width);
    this.probabilities = new Uint8Array(classes * height * width);
  }

  /** Take over, of probabilities of one window, those of another one within it. */
  set(part: Float32Array, read: Window, write: Window): void {
    const across = length(read[1]);
    const size = length(read[0]) * across;
    const pixels = this.height * this.width;
    for (let row = write[0].start; row < write[0].stop; row++) {
      let from = (row - read[0].start) * across + write[1].start - read[1].start;
      let to = row * this.width + write[1].start;
      for (const end = row * this.width + write[1].stop; to < end; from++, to++) {
        let best = 0;
        for (let k = 0; k < this.classes; k++) {
          const probability = part[k * size + from]!;
          if (probability > part[best * size + from]!) best = k;
          this.probabilities[k * pixels + to] = Math.round(probability * 255);
        }
        this.labels[to] = best;
      }
    }
  }

  taken(): { labels: Uint8Array<ArrayBuffer>; probabilities: Uint8Array<ArrayBuffer> } {
    return { labels: this.labels, probabilities: this.probabilities };
  }
}
