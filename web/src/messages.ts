/** What the page and its worker say to each other. */

import type { Facts } from "./facts";
import type { FaultParts } from "./fault";
import type { Graphs, Prediction } from "./network";

export type Order = { kind: "load"; graphs: Graphs; facts: Facts } | { kind: "predict"; file: Blob };

export interface Done extends Prediction {
  width: number;
  height: number;
  /** The image for the eye, RGBA. */
  picture: Uint8ClampedArray<ArrayBuffer>;
  type: string;
  channels: number;
  notes: string[];
  /** Reading left out. */
  seconds: number;
}

export type Report =
  | { kind: "loaded" }
  | { kind: "progress"; share: number }
  | { kind: "done"; done: Done }
  | { kind: "fault"; parts: FaultParts };
