"""Style sheet of a report: light and dark, wide and narrow, on screen and on paper."""

STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #57606a; --paper: #ffffff; --line: #d5dae0; --band: #f5f7f9;
  --accent: #0b5fa5; --wide: 74rem; }
@media (prefers-color-scheme: dark) { :root { --ink: #e3e7ec; --soft: #a2abb6; --paper: #14181d; --line: #333b45; --band: #1c2229;
  --accent: #7db8ee; } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto,
  "Noto Sans", "DejaVu Sans", sans-serif; }
header, .columns { max-width: var(--wide); margin: 0 auto; padding: 0 1.25rem; }
header { padding-top: 2.5rem; padding-bottom: 1rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .6rem; }
h2 { font-size: 1.35rem; line-height: 1.3; margin: 2.8rem 0 .6rem; padding-top: .9rem; border-top: 1px solid var(--line); }
h3 { font-size: 1.08rem; margin: 1.8rem 0 .4rem; }
p, ul.plain { max-width: 46rem; margin: .6rem 0; }
.lead { font-size: 1.08rem; color: var(--soft); max-width: 46rem; margin: 0; }
a { color: var(--accent); }
code { font: .88em/1.4 ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace; background: var(--band);
  padding: .1em .3em; border-radius: .25em; overflow-wrap: anywhere; }
pre { background: var(--band); border: 1px solid var(--line); border-radius: .4rem; padding: .7rem .9rem; overflow-x: auto; }
pre code { background: none; padding: 0; white-space: pre-wrap; overflow-wrap: anywhere; }
nav { font-size: .92rem; border: 1px solid var(--line); border-radius: .5rem; padding: .8rem 1rem; margin: .5rem 0 1rem; }
nav strong { display: block; margin-bottom: .3rem; }
nav ol { list-style: none; margin: 0; padding: 0; }
nav li { margin: .25rem 0; line-height: 1.35; }
nav li.sub { padding-left: 1rem; }
nav a { text-decoration: none; }
nav a:hover, nav a:focus { text-decoration: underline; }
main { min-width: 0; padding-bottom: 4rem; }
main > h2:first-child { border-top: 0; margin-top: .5rem; padding-top: 0; }
dl { display: grid; grid-template-columns: minmax(9rem, max-content) 1fr; gap: .3rem 1.2rem; margin: .8rem 0; max-width: 56rem; }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; }
figure { margin: 1.4rem 0 2rem; }
figcaption { margin: 0 0 .5rem; max-width: 56rem; font-size: .95rem; }
figure.picture figcaption { margin: .6rem 0 0; }
figcaption b { font-weight: 650; }
.scroll { overflow-x: auto; border: 1px solid var(--line); border-radius: .4rem; }
table { border-collapse: separate; border-spacing: 0; width: 100%; font-size: .86rem; font-variant-numeric: tabular-nums; }
th, td { padding: .36rem .5rem; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); }
tbody tr:last-child > * { border-bottom: 0; }
thead th { background: var(--band); font-weight: 600; vertical-align: bottom; }
tbody th { font-weight: 500; white-space: nowrap; }
th.number { min-width: 3.5rem; max-width: 11rem; }
tbody th:first-child, thead th:first-child { position: sticky; left: 0; background: var(--paper); }
thead th:first-child { background: var(--band); }
th.number, td.number { text-align: right; }
td.number { white-space: nowrap; }
td { min-width: 3rem; }
td.text { min-width: 6rem; max-width: 34rem; }
td.best { font-weight: 700; }
tr.rule > * { border-top: 2px solid var(--soft); }
.sd { color: var(--soft); font-weight: 400; }
.interval { display: block; color: var(--soft); font-size: .84em; font-weight: 400; line-height: 1.3; }
.notes { font-size: .88rem; color: var(--soft); margin: .5rem 0 0; padding-left: 1.1rem; max-width: 56rem; }
.files { font-size: .85rem; color: var(--soft); margin: .4rem 0 0; }
img { display: block; max-width: 100%; height: auto; background: #fff; border: 1px solid var(--line); border-radius: .4rem; }
@media (min-width: 66rem) {
  .columns { display: grid; grid-template-columns: 15rem minmax(0, 1fr); gap: 2.5rem; align-items: start; }
  nav { position: sticky; top: 1rem; max-height: calc(100vh - 2rem); overflow-y: auto; border: 0; padding: 0; margin-top: 0; }
  :root { --wide: 90rem; }
}
@media (max-width: 40rem) {
  header, .columns { padding-left: .9rem; padding-right: .9rem; }
  h1 { font-size: 1.5rem; }
  dl { grid-template-columns: 1fr; gap: 0; }
  dd { margin-bottom: .5rem; }
  th, td { padding: .32rem .5rem; }
  tbody th { white-space: normal; min-width: 6rem; max-width: 10rem; }
}
@media print {
  :root { color-scheme: light; --ink: #000; --soft: #444; --paper: #fff; --line: #bbb; --band: #f2f2f2; --accent: #000; }
  body { font-size: 10pt; }
  .columns { display: block; }
  nav { position: static; max-height: none; }
  .scroll { overflow: visible; border: 0; }
  table { font-size: 7.5pt; }
  th, td { padding: .2rem .35rem; }
  tr, figure.picture, figcaption { break-inside: avoid; }
  h2, h3, figcaption { break-after: avoid; }
  .files { display: none; }
  @page { margin: 15mm; }
}
"""
