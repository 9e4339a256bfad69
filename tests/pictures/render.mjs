// Renders dashboards to PNG: node render.mjs --prometheus URL [--out DIR] [--minutes N]
//   [--end UNIX] [--scrape SECONDS] [--variable NAME=VALUE]... [UID...]
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';

const here = fileURLToPath(new URL('.', import.meta.url));
const { values: given, positionals: uids } = parseArgs({
  allowPositionals: true,
  options: {
    prometheus: { type: 'string', default: 'http://127.0.0.1:9090' },
    dashboards: { type: 'string', default: join(here, '../../dashboards/rendered') },
    out: { type: 'string', default: join(here, '../../out/pictures') },
    minutes: { type: 'string', default: '60' },
    end: { type: 'string', default: String(Date.now() / 1000) },
    scrape: { type: 'string', default: '15' },
    variable: { type: 'string', multiple: true, default: [] },
    chromium: { type: 'string', default: 'chromium' },
  },
});

await fetch(`${given.prometheus}/-/ready`); // else the pictures would show its absence
const work = mkdtempSync(join(tmpdir(), 'argoscope-pictures-'));
mkdirSync(given.out, { recursive: true });
try {
  await build({
    entryPoints: [join(here, 'app.jsx')], bundle: true, outfile: join(work, 'app.js'), minify: false,
    format: 'iife', jsx: 'automatic', logLevel: 'error', define: { 'process.env.NODE_ENV': '"production"', global: 'window' },
    loader: { '.svg': 'dataurl', '.woff2': 'empty', '.woff': 'empty', '.ttf': 'empty', '.png': 'dataurl' },
  });
  const to = parseFloat(given.end);
  for (const name of readdirSync(given.dashboards).filter((one) => one.endsWith('.json')).sort()) {
    const dashboard = JSON.parse(readFileSync(join(given.dashboards, name), 'utf8'));
    if (uids.length && !uids.includes(dashboard.uid)) continue;
    const picture = {
      dashboard, prometheus: given.prometheus, to, from: to - 60 * parseFloat(given.minutes), scrape: parseFloat(given.scrape),
      variables: Object.fromEntries(given.variable.map((one) => one.split('='))),
    };
    const page = join(work, `${dashboard.uid}.html`);
    const embedded = JSON.stringify(picture).replaceAll('<', '\\u003c');
    writeFileSync(page, `<!doctype html><meta charset="utf-8"><link rel="stylesheet" href="app.css"><body style="background:#111217;margin:0"><div id="root"></div><script>window.PICTURE=${embedded}</script><script src="app.js"></script>`);
    const height = 110 + 38 * Math.max(...dashboard.panels.map((panel) => panel.gridPos.y + panel.gridPos.h));
    const file = join(given.out, `${dashboard.uid}.png`);
    execFileSync(given.chromium, ['--headless', '--no-sandbox', '--disable-gpu', '--hide-scrollbars', `--user-data-dir=${join(work, 'profile')}`,
      `--window-size=1640,${height}`, '--virtual-time-budget=20000', `--screenshot=${file}`, `file://${page}`], { stdio: ['ignore', 'ignore', 'ignore'], timeout: 120_000 });
    console.log(file);
  }
} finally {
  rmSync(work, { recursive: true, force: true });
}
