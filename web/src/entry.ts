/** One image of the list, and what became of it. */

import type { FaultParts } from "./fault";
import type { Done } from "./messages";

export type State =
  | { kind: "waiting" }
  | { kind: "running"; share: number; since: number }
  | { kind: "done"; done: Done; objects: number | null }
  | { kind: "fault"; parts: FaultParts };

export interface Entry {
  readonly file: File;
  state: State;
}

export function stem(entry: Entry): string {
  return entry.file.name.replace(/\.[^.]+$/, "");
}

/** "0.8 s", "1 min 20 s". */
export function duration(seconds: number): string {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
}

/** What the list says of an image. */
export function saying({ state }: Entry): string {
  if (state.kind === "waiting") return "waiting";
  if (state.kind === "running") return state.share > 0 ? `${Math.floor(state.share * 100)} %` : "working…";
  return state.kind === "done" ? duration(state.done.seconds) : state.parts.what;
}

/** What the picture says while it is not there. */
export function doing({ state }: Entry, ready: boolean): string {
  if (state.kind !== "running") return "Waiting for the images before it";
  if (!ready) return "Starting the model…";
  if (state.share === 0) return "Predicting…";
  const left = ((performance.now() - state.since) / 1000) * (1 / state.share - 1);
  return `Predicting… ${Math.floor(state.share * 100)} %${left > 1 ? `, about ${duration(left)} left` : ""}`;
}
