// Headless Chromium with SwiftShader as its WebGPU adapter: compiles kernels and repeats traces.
//   node run.mjs FOLDER...
// A folder with trace.json (`greybox eval --trace`) is repeated, and what is read back is written to its answers.bin; of any
// other all *.wgsl are compiled (`greybox check --wgsl`). Prints a line of JSON per folder and fails if anything was refused.
// CHROMIUM names another browser than /usr/bin/chromium.

import { existsSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const here = dirname(fileURLToPath(import.meta.url));
// A page needs a secure origin to see WebGPU; nothing is fetched from it but what is served below.
const ORIGIN = "https://greybox.invalid/";
// A busy machine is slow; whoever calls decides when it is too slow.
const timeout = 600_000;
const FLAGS = ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader", "--disable-gpu-watchdog", "--no-sandbox"];

async function repeat(page, folder) {
  const result = await page.evaluate(async () => {
    const [events, data] = await Promise.all([
      fetch("trace.json").then((response) => response.json()),
      fetch("trace.bin").then((response) => response.arrayBuffer()),
    ]);
    return replay(events, data);
  });
  const { answers, ...rest } = result;
  writeFileSync(join(folder, "answers.bin"), Buffer.from(answers, "base64"));
  return rest;
}

async function compileFolder(page, folder) {
  const files = readdirSync(folder).filter((file) => file.endsWith(".wgsl")).sort();
  if (files.length === 0) throw new Error(`${folder} has neither trace.json nor kernels`);
  const kernels = files.map((name) => ({ name, text: readFileSync(join(folder, name), "utf8") }));
  return page.evaluate((kernels) => compileAll(kernels), kernels);
}

const folders = process.argv.slice(2);
if (folders.length === 0) {
  console.error("usage: node run.mjs FOLDER...");
  process.exit(2);
}
const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
const browser = await chromium.launch({ executablePath, headless: true, args: FLAGS, timeout });
let failed = false;
for (const folder of folders) {
  const start = performance.now();
  const page = await browser.newPage();
  page.setDefaultTimeout(timeout);
  await page.route(`${ORIGIN}**`, (route) => {
    const name = new URL(route.request().url()).pathname.slice(1);
    if (["trace.json", "trace.bin"].includes(name)) return route.fulfill({ path: join(folder, name) });
    return route.fulfill({ body: "<!doctype html><title>greybox</title>", contentType: "text/html" });
  });
  await page.goto(ORIGIN);
  await page.addScriptTag({ path: join(here, "replay.js") });
  const run = existsSync(join(folder, "trace.json")) ? repeat : compileFolder;
  const result = await run(page, folder);
  await page.close();
  failed ||= result.refused.length > 0;
  const seconds = Number(((performance.now() - start) / 1000).toFixed(2));
  console.log(JSON.stringify({ folder, browser: `Chromium ${browser.version()}`, seconds, ...result }));
}
await browser.close();
process.exit(failed ? 1 : 0);
