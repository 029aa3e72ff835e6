/** Layers of one image on a canvas that is zoomed by wheel, pinch and keys, and moved by dragging. */

export interface Layer {
  canvas: HTMLCanvasElement;
  opacity: number;
}

const STEP = 1.25;
const NEAREST = 32;

export class Viewer {
  private layers: Layer[] = [];
  private scale = 1;
  private left = 0;
  private top = 0;
  private fitted = true;
  private readonly fingers = new Map<number, PointerEvent>();

  constructor(private readonly canvas: HTMLCanvasElement) {
    new ResizeObserver(() => this.resize()).observe(canvas);
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.zoom(Math.exp(-event.deltaY / 300), event.offsetX, event.offsetY);
    });
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      this.fingers.set(event.pointerId, event);
    });
    canvas.addEventListener("pointermove", (event) => this.drag(event));
    for (const end of ["pointerup", "pointercancel"] as const) {
      canvas.addEventListener(end, (event) => this.fingers.delete(event.pointerId));
    }
    canvas.addEventListener("keydown", (event) => this.press(event));
    canvas.addEventListener("dblclick", () => this.fit());
  }

  /** Show other layers; of another image if `anew`, which is then fitted into the canvas. */
  show(layers: Layer[], anew: boolean): void {
    this.layers = layers;
    if (anew) this.fit();
    else this.draw();
  }

  fit(): void {
    const image = this.layers[0]?.canvas;
    if (image === undefined) return this.draw();
    const { clientWidth: width, clientHeight: height } = this.canvas;
    this.scale = Math.min(width / image.width, height / image.height);
    this.left = (width - image.width * this.scale) / 2;
    this.top = (height - image.height * this.scale) / 2;
    this.fitted = true;
    this.draw();
  }

  /** Nearer or further; the place at (x, y) of the canvas stays where it is. */
  zoom(factor: number, x = this.canvas.clientWidth / 2, y = this.canvas.clientHeight / 2): void {
    const image = this.layers[0]?.canvas;
    if (image === undefined) return;
    const least = Math.min(this.canvas.clientWidth / image.width, this.canvas.clientHeight / image.height, 1) / 2;
    const scale = Math.min(Math.max(this.scale * factor, least), NEAREST);
    this.left = x - ((x - this.left) * scale) / this.scale;
    this.top = y - ((y - this.top) * scale) / this.scale;
    this.scale = scale;
    this.fitted = false;
    this.draw();
  }

  private move(x: number, y: number): void {
    this.left += x;
    this.top += y;
    this.fitted = false;
    this.draw();
  }

  private drag(event: PointerEvent): void {
    const before = this.fingers.get(event.pointerId);
    if (before === undefined) return;
    const other = [...this.fingers.values()].find((one) => one.pointerId !== event.pointerId);
    if (other === undefined) this.move(event.offsetX - before.offsetX, event.offsetY - before.offsetY);
    else {
      const apart = (one: PointerEvent) => Math.hypot(one.offsetX - other.offsetX, one.offsetY - other.offsetY);
      this.zoom(apart(event) / Math.max(apart(before), 1), other.offsetX, other.offsetY);
    }
    this.fingers.set(event.pointerId, event);
  }

  private press(event: KeyboardEvent): void {
    const far = 40;
    const moves: Record<string, () => void> = {
      ArrowLeft: () => this.move(far, 0),
      ArrowRight: () => this.move(-far, 0),
      ArrowUp: () => this.move(0, far),
      ArrowDown: () => this.move(0, -far),
      "+": () => this.zoom(STEP),
      "-": () => this.zoom(1 / STEP),
      "0": () => this.fit(),
    };
    const move = moves[event.key];
    if (move === undefined) return;
    event.preventDefault();
    move();
  }

  private resize(): void {
    const ratio = window.devicePixelRatio;
    this.canvas.width = Math.round(this.canvas.clientWidth * ratio);
    this.canvas.height = Math.round(this.canvas.clientHeight * ratio);
    if (this.fitted) this.fit();
    else this.draw();
  }

  private draw(): void {
    const context = this.canvas.getContext("2d");
    if (context === null) return;
    const ratio = window.devicePixelRatio;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    context.setTransform(ratio * this.scale, 0, 0, ratio * this.scale, ratio * this.left, ratio * this.top);
    context.imageSmoothingEnabled = this.scale * ratio < 2;
    context.imageSmoothingQuality = "high";
    for (const layer of this.layers) {
      context.globalAlpha = layer.opacity;
      context.drawImage(layer.canvas, 0, 0);
    }
    context.globalAlpha = 1;
  }
}

/** A canvas that holds a picture. */
export function canvasOf(picture: ImageData): HTMLCanvasElement {
  const canvas = document.createElement("canvas");
  canvas.width = picture.width;
  canvas.height = picture.height;
  canvas.getContext("2d")?.putImageData(picture, 0, 0);
  return canvas;
}

/** One picture of several layers, in full size. */
export function flatten(layers: readonly Layer[]): HTMLCanvasElement {
  const canvas = document.createElement("canvas");
  const first = layers[0]?.canvas;
  const context = canvas.getContext("2d");
  if (first === undefined || context === null) throw new Error("there is nothing to be drawn");
  canvas.width = first.width;
  canvas.height = first.height;
  for (const layer of layers) {
    context.globalAlpha = layer.opacity;
    context.drawImage(layer.canvas, 0, 0);
  }
  return canvas;
}
