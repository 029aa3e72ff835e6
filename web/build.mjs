// Make the page without a model: src/page.html with style, code and onnxruntime's WebAssembly inside, one file.
import { createHash } from "node:crypto";
import { mkdir, readFile, readdir, rename, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const target = join(here, "../src/unetkit/export/browser/page.html");

/** The code of an entry with all that it imports, and the packages that this is of. */
async function bundle(entry) {
  const result = await build({
    absWorkingDir: here,
    entryPoints: [`src/${entry}`],
    bundle: true,
    format: "iife", // from a file, browsers start workers of this form alone
    define: { "import.meta.url": "self.location.href" },
    minify: true,
    write: false,
    metafile: true,
    target: "es2022",
    platform: "browser",
    legalComments: "none",
    logLevel: "warning",
  });
  const files = Object.keys(result.metafile.inputs);
  const packages = files.flatMap((file) => /^node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(file)?.[1] ?? []);
  return { code: result.outputFiles[0].text, packages };
}

/** Name, version and licence of packages, as their terms ask for. */
async function licences(packages) {
  const texts = [...new Set(packages)].sort().map(async (name) => {
    const folder = join(here, "node_modules", name);
    const { version, license } = JSON.parse(await readFile(join(folder, "package.json"), "utf8"));
    const file = (await readdir(folder)).find((one) => /^licen[cs]e/i.test(one));
    const text = file === undefined ? "" : await readFile(join(folder, file), "utf8");
    return `${name} ${version}: ${license}\n\n${text.trim()}`;
  });
  return (await Promise.all(texts)).join(`\n\n${"—".repeat(20)}\n\n`);
}

const escaped = (text) => text.replace(/[&<>]/g, (sign) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;" })[sign]);
const digest = (text) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
const packed = (content) => gzipSync(content, { level: 9 }).toString("base64");

const [page, worker] = await Promise.all([bundle("main.ts"), bundle("worker.ts")]);
const script = page.code.replaceAll("</script", "<\\/script");
const runtime = await readFile(join(here, "node_modules/onnxruntime-web/dist/ort-wasm-simd-threaded.wasm"));
const style = await readFile(join(here, "src/page.css"), "utf8");

const parts = {
  // No connection of any kind; code only as it stands here, and the worker that is made of it.
  policy: [
    "default-src 'none'",
    `script-src ${digest(script)} blob: 'wasm-unsafe-eval'`,
    "worker-src blob:",
    `style-src ${digest(style)}`,
    "img-src blob: data:",
    "base-uri 'none'",
    "form-action 'none'",
  ].join("; "),
  style,
  script,
  worker: packed(worker.code),
  runtime: packed(runtime),
  licences: escaped(await licences([...page.packages, ...worker.packages])),
};
const skeleton = await readFile(join(here, "src/page.html"), "utf8");
const whole = skeleton.replace(/\[\[(\w+)\]\]/g, (_, name) => parts[name]);

await mkdir(dirname(target), { recursive: true });
await writeFile(`${target}.new`, whole);
await rename(`${target}.new`, target);
console.log(`${relative(process.cwd(), target)}: ${(whole.length / 1e6).toFixed(1)} MB`);
