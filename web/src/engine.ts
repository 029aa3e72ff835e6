/** The worker, seen from the page: images go in one by one, results come out; stopped or broken, it starts anew. */

import { type Facts, block, unpack } from "./facts";
import { Fault, type FaultParts } from "./fault";
import type { Done, Order, Report } from "./messages";
import type { Graphs } from "./network";

interface Waiting {
  progress: (share: number) => void;
  resolve: (report: Report) => void;
  reject: (error: Fault) => void;
}

export const STOPPED = "Stopped";

export class Engine {
  private worker: Promise<Worker> | null = null;
  private running: Worker | null = null;
  private waiting: Waiting | null = null;
  private turn = 0;

  constructor(private readonly facts: Facts) {}

  /** Predict one image; one at a time. Progress begins with 0 when the model has started. */
  async predict(file: Blob, progress: (share: number) => void): Promise<Done> {
    const turn = ++this.turn;
    const starting = (this.worker ??= this.start(turn));
    const worker = await starting.catch((error: unknown) => {
      if (this.worker === starting) this.worker = null;
      throw error;
    });
    if (turn !== this.turn) throw new Fault({ what: STOPPED });
    progress(0);
    const report = await this.ask(worker, { kind: "predict", file }, progress);
    if (report.kind !== "done") throw new Error("the worker speaks out of turn");
    return report.done;
  }

  /** Leave the image that is being predicted. */
  stop(parts: FaultParts = { what: STOPPED }): void {
    this.turn++;
    this.running?.terminate();
    this.running = this.worker = null;
    this.waiting?.reject(new Fault(parts));
    this.waiting = null;
  }

  private async start(turn: number): Promise<Worker> {
    const [code, graphs] = await Promise.all([unpack("worker"), readGraphs()]);
    if (turn !== this.turn) throw new Fault({ what: STOPPED });
    const worker = new Worker(URL.createObjectURL(new Blob([code], { type: "text/javascript" })));
    this.running = worker;
    worker.onmessage = (event: MessageEvent<Report>) => this.hear(event.data);
    worker.onerror = (event) => {
      event.preventDefault();
      this.stop({ what: "The browser stopped the prediction", found: event.message || "no reason was given" });
    };
    await this.ask(worker, { kind: "load", graphs, facts: this.facts }, () => undefined);
    return worker;
  }

  private ask(worker: Worker, order: Order, progress: (share: number) => void): Promise<Report> {
    return new Promise((resolve, reject) => {
      this.waiting = { progress, resolve, reject };
      worker.postMessage(order);
    });
  }

  private hear(report: Report): void {
    const { waiting } = this;
    if (waiting === null) return;
    if (report.kind === "progress") return waiting.progress(report.share);
    this.waiting = null;
    if (report.kind === "fault") waiting.reject(new Fault(report.parts));
    else waiting.resolve(report);
  }
}

async function readGraphs(): Promise<Graphs> {
  const [runtime, measure, predict] = await Promise.all([unpack("runtime"), unpack("measure"), unpack("predict")]);
  return { runtime, measure, predict };
}

/** The facts that stand in the page. */
export function readFacts(): Facts {
  return JSON.parse(block("facts")) as Facts;
}
