"""The style sheet of the page: phone, desk, print, light and dark."""

CSS = """
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #57606a; --paper: #fff; --card: #f6f8fa;
  --line: #d0d7de; --accent: #0072b2; --warn: #fff1e5; --warn-line: #d55e00; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --soft: #9da7b3; --paper: #0d1117;
  --card: #161b22; --line: #30363d; --accent: #56b4e9; --warn: #33200f; --warn-line: #e69f00; } }
* { box-sizing: border-box; }
html { scroll-behavior: smooth; }
body { margin: 0; background: var(--paper); color: var(--ink); line-height: 1.55;
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif;
  overflow-wrap: anywhere; }
header, main, footer { max-width: 72rem; margin: 0 auto; padding: 0 1rem; }
header { padding-top: 2rem; }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0 0 .25rem; }
h2 { font-size: 1.3rem; margin: 3rem 0 .5rem;
  padding-top: .6rem; border-top: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 0 0 .4rem; }
p { max-width: 46rem; margin: .5rem 0; }
a { color: var(--accent); }
.soft, figcaption, caption { color: var(--soft); }
.headline { font-size: 1.2rem; line-height: 1.45; margin: 1rem 0; }
.banner { background: var(--warn); border-left: .35rem solid var(--warn-line); padding: .75rem 1rem;
  margin: 1rem 0; max-width: 46rem; }
nav ul { list-style: none; display: flex; flex-wrap: wrap; gap: .4rem .9rem;
  padding: 0; margin: 1rem 0; }
nav a { display: inline-block; padding: .25rem 0; }
.tiles { display: grid; gap: .75rem; margin: 1.25rem 0; padding: 0;
  grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); }
.tiles > div { background: var(--card); border: 1px solid var(--line); border-radius: .5rem;
  padding: .7rem .9rem; }
.tiles dt { color: var(--soft); font-size: .875rem; }
.tiles dd { margin: 0; font-size: 1.45rem; font-weight: 650; font-variant-numeric: tabular-nums; }
.tiles dd.range { font-size: .8rem; font-weight: 400; color: var(--soft); }
.pictures { display: grid; gap: 1.25rem; margin: 1rem 0; align-items: start;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 24rem), 1fr)); }
figure { margin: 0; padding: .9rem; background: var(--card); border: 1px solid var(--line);
  border-radius: .5rem; max-width: 36rem; }
img { display: block; width: 100%; height: auto; border-radius: .25rem; background: #fff; }
figcaption { font-size: .875rem; margin-top: .5rem; }
.scroll { overflow-x: auto; margin: 1rem 0; border: 1px solid var(--line); border-radius: .5rem; }
.scroll:focus-visible, a:focus-visible, summary:focus-visible { outline: 3px solid var(--accent); }
table { border-collapse: collapse; width: 100%; font-size: .9rem; overflow-wrap: normal; }
caption { text-align: left; padding: .6rem .8rem; }
th, td { padding: .4rem .8rem; text-align: left; vertical-align: top;
  border-top: 1px solid var(--line); }
thead th { background: var(--card); white-space: nowrap; }
tbody th { font-weight: 500; }
.numbers td, .numbers thead th + th { text-align: right; font-variant-numeric: tabular-nums;
  white-space: nowrap; }
td small, th small { display: block; color: var(--soft); font-weight: 400; font-size: .86em; }
.numbers .words { display: block; width: 17rem; text-align: left; white-space: normal;
  color: var(--soft); font-size: .9em; }
.name { min-width: 10rem; display: inline-block; overflow-wrap: anywhere; white-space: normal; }
pre { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: .8rem;
  white-space: pre-wrap; font-size: .875rem; }
summary { cursor: pointer; padding: .4rem 0; color: var(--accent); }
footer { padding-block: 2.5rem; }
@media print {
  :root { color-scheme: light; --ink: #000; --soft: #444; --paper: #fff; --card: #fff;
    --line: #bbb; --accent: #000; --warn: #fff; --warn-line: #000; }
  @page { margin: 14mm; }
  body { font-size: 10pt; }
  nav, summary { display: none; }
  h2 { margin-top: 1.5rem; break-after: avoid; }
  figure, tr, .tiles, .banner { break-inside: avoid; }
  .pictures { grid-template-columns: 1fr 1fr; gap: .8rem; }
  .scroll { overflow: visible; }
  table { font-size: 7.5pt; }
  th, td { padding: .2rem .35rem; }
  .numbers td, .numbers thead th + th, thead th { white-space: normal; }
  details::details-content { content-visibility: visible; block-size: auto; }
}
"""
