//! The style sheet of the report page.

/// Inline CSS: no fonts or files are fetched. Figures keep a white card in dark mode.
pub(crate) const STYLE: &str = r#"
:root {
  color-scheme: light dark;
  --paper: #ffffff; --ink: #1f242c; --muted: #5c6470; --rule: #e2e6eb; --soft: #f5f7f9; --accent: #0062a8; --bar: #a9c8e2;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #14171c; --ink: #e4e8ee; --muted: #9aa4b2; --rule: #2c333d; --soft: #1c2128; --accent: #74b6ec; --bar: #2f5f88;
  }
}
* { box-sizing: border-box; }
html { scroll-behavior: smooth; }
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
}
.page { max-width: 1000px; margin: 0 auto; padding: 40px 28px 80px; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .3em; letter-spacing: -.01em; }
h2 { font-size: 1.3rem; line-height: 1.3; margin: 2.4em 0 .7em; padding-top: .9em; border-top: 1px solid var(--rule); }
p { margin: .6em 0; max-width: 46em; }
.question { font-size: 1.15rem; color: var(--muted); margin: 0 0 1.2em; }
nav { font-size: .9rem; margin: 0 0 1.6em; }
nav b { display: none; }
nav ol { list-style: none; display: flex; flex-wrap: wrap; gap: .2em 1.3em; margin: 0; padding: 0; }
a { color: var(--accent); text-decoration: none; }
a:hover { text-decoration: underline; }
@media (min-width: 1400px) {
  .page { margin-left: max(40px, calc(50vw - 620px)); margin-right: 0; }
  nav { position: fixed; top: 46px; left: calc(max(40px, 50vw - 620px) + 1020px); width: 210px; }
  nav b { display: block; margin-bottom: .5em; color: var(--muted); font-weight: 600; }
  nav ol { display: block; border-left: 2px solid var(--rule); padding-left: 14px; }
  nav li { margin: .35em 0; line-height: 1.35; }
}
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .94rem; margin: .8em 0; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .45em 1.2em .45em 0; border-bottom: 1px solid var(--rule); vertical-align: middle; }
thead th { color: var(--muted); font-weight: 600; font-size: .85rem; white-space: nowrap; }
td.number, th.number { text-align: right; white-space: nowrap; }
.answer { width: 100%; }
.answer td.number { text-align: left; }
.answer tbody th { font-size: 1.05rem; }
.answer .value { font-size: 1.35rem; font-weight: 650; white-space: nowrap; }
.answer .unit { font-size: .9rem; font-weight: 400; color: var(--muted); }
.answer .method { min-width: 11.5em; }
.strip svg { display: block; border-radius: 6px; }
.note { color: var(--muted); font-size: .88rem; }
.remarks { list-style: none; padding: 0; margin: 1.2em 0; }
.remarks li { background: var(--soft); border-left: 3px solid var(--accent); border-radius: 0 6px 6px 0; padding: .55em 1em; margin: .5em 0; }
figure { margin: 1.2em 0 1.6em; }
figure svg { display: block; width: 100%; height: auto; }
.pairs { display: grid; grid-template-columns: 1fr 1fr; gap: 0 18px; }
.pairs figure { margin: .6em 0 .9em; min-width: 0; }
.card { background: #ffffff; border: 1px solid var(--rule); border-radius: 10px; padding: 10px; overflow: hidden; }
figcaption { color: var(--muted); font-size: .92rem; margin-top: .55em; max-width: 50em; }
pre {
  background: var(--soft); border: 1px solid var(--rule); border-radius: 8px; padding: 12px 14px; overflow-x: auto;
  font: 12px/1.55 ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; tab-size: 4;
}
.line::before {
  content: attr(data-line); display: inline-block; width: 2.4em; margin-right: 1.2em; text-align: right; color: var(--muted);
  opacity: .7; user-select: none;
}
.share { display: inline-block; width: 220px; height: 10px; }
.share i { display: block; height: 100%; background: var(--bar); border-radius: 2px; }
h3 { font-size: 1rem; margin: 1.4em 0 .4em; font-family: ui-monospace, Menlo, Consolas, monospace; font-weight: 600; }
@media screen and (max-width: 700px) {
  .page { padding: 28px 16px 60px; }
  .pairs { display: block; }
  .card { overflow-x: auto; }
  figure svg { min-width: 640px; }
}
@media print {
  :root { --paper: #ffffff; --ink: #000000; --muted: #444444; --rule: #cccccc; --soft: #f6f6f6; }
  .page { max-width: none; margin: 0; padding: 0; }
  nav { display: none; }
  figure, tr, .remarks li { break-inside: avoid; }
  h2, h3 { break-after: avoid; }
  pre { white-space: pre-wrap; overflow-wrap: anywhere; }
  .share i, .remarks li { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
"#;
