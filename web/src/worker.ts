/** Reads and predicts one image after the other, beside the page, which stays free meanwhile. */

import type { Facts } from "./facts";
import { partsOf } from "./fault";
import { fitted, visible } from "./fit";
import type { Order, Report } from "./messages";
import { Network } from "./network";
import { readPicture } from "./read";

let loaded: { network: Network; facts: Facts } | null = null;

function tell(report: Report, moved: Transferable[] = []): void {
  self.postMessage(report, { transfer: moved });
}

async function predict(file: Blob): Promise<void> {
  if (loaded === null) throw new Error("the model is not loaded");
  const image = fitted(await readPicture(file), loaded.facts.channels);
  const { width, height, type, channels, notes } = image;
  const picture = visible(image);
  const started = performance.now();
  const prediction = await loaded.network.run(image, (share) => tell({ kind: "progress", share }));
  const seconds = (performance.now() - started) / 1000;
  tell({ kind: "done", done: { ...prediction, width, height, picture, type, channels, notes, seconds } }, [
    prediction.labels.buffer,
    prediction.probabilities.buffer,
    picture.buffer,
  ]);
}

async function obey(order: Order): Promise<void> {
  if (order.kind === "predict") return predict(order.file);
  const { graphs, facts } = order;
  loaded = { network: await Network.load(graphs, facts.classes.length, facts.tiles), facts };
  tell({ kind: "loaded" });
}

self.onmessage = (event: MessageEvent<Order>) => {
  const otherwise = event.data.kind === "load" ? "The model does not start in this browser" : "The prediction failed";
  obey(event.data).catch((error: unknown) => tell({ kind: "fault", parts: partsOf(error, otherwise) }));
};
