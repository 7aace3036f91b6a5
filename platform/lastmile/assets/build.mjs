// Bundles the site's scripts, styles and fonts into ../static/build with names that stay the same.
import { mkdir, rm, readdir, stat } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import path from "node:path";
import esbuild from "esbuild";

const here = path.dirname(fileURLToPath(import.meta.url));
const out = path.join(here, "../static/build");

const options = {
  absWorkingDir: here,
  entryPoints: {
    site: "src/site.js",
    lab: "src/lab.js",
    run: "src/run.js",
    class: "src/class.js",
    welcome: "src/welcome.js",
    diagrams: "src/diagrams.js",
  },
  outdir: out,
  bundle: true,
  splitting: true,
  format: "esm",
  target: ["es2022", "chrome120", "firefox121", "safari17.4"],
  minify: true,
  sourcemap: false,
  legalComments: "linked",
  loader: { ".woff2": "file" },
  chunkNames: "chunks/[name]-[hash]",
  assetNames: "fonts/[name]",
  logLevel: "warning",
};

const styles = { ...options, entryPoints: { site: "src/styles/site.css", lab: "src/styles/lab-page.css", "diagram-frame": "src/styles/diagram-frame.css" }, splitting: false };

await rm(out, { recursive: true, force: true });
await mkdir(out, { recursive: true });

if (process.argv.includes("--watch")) {
  for (const each of [options, styles]) await (await esbuild.context(each)).watch();
} else {
  await Promise.all([esbuild.build(options), esbuild.build(styles)]);
  const names = (await readdir(out)).filter((name) => /\.(js|css)$/.test(name)).sort();
  for (const name of names) {
    const { size } = await stat(path.join(out, name));
    console.log(`${name.padEnd(14)} ${(size / 1024).toFixed(1)} kB`);
  }
}
