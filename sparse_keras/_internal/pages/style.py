"""The style sheet of pages: light or dark like the reader's system, for phones and larger."""
# ruff: noqa: E501

STYLE = """
:root {
  color-scheme: light dark;
  --bg: #f6f5f1; --card: #ffffff; --text: #1f2429; --muted: #66707a; --line: #e3e1da;
  --accent: #22688f; --heat: 70%; --less: #b4602b; --good: #2c7a4b; --bad: #b3362b;
  --e0: #a3cdf2; --e1: #ffc285; --e2: #a2e0a8; --e3: #f9aecb;
  --e4: #f0e468; --e5: #cdbcf7; --e6: #84e0da; --e7: #d8c3a8;
}
@media (prefers-color-scheme: dark) {
  :root {
    --bg: #14171a; --card: #1d2226; --text: #e6e8ea; --muted: #9aa5ae; --line: #30373d;
    --accent: #6fb7e0; --heat: 50%; --less: #e39a63; --good: #74c794; --bad: #f08a7e;
    --e0: #1c5a8c; --e1: #84490a; --e2: #1f6636; --e3: #8c2c57;
    --e4: #655d06; --e5: #5a45a3; --e6: #0e6464; --e7: #66523e;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--bg); color: var(--text);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif;
}
main { max-width: 62rem; margin: 0 auto; padding: 1.5rem 1rem 3rem; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .25rem; text-wrap: balance; overflow-wrap: anywhere; }
h2 { font-size: 1.25rem; margin: 2.5rem 0 .1rem; overflow-wrap: anywhere; }
h3, .card > h2, footer > h2 { font-size: 1rem; margin: 0 0 .15rem; }
p { margin: .25rem 0; }
.muted, figcaption { color: var(--muted); font-size: .875rem; }
.card {
  background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  padding: 1rem; margin: 1rem 0 0; min-width: 0;
}
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(19rem, 100%), 1fr)); gap: 1rem; }
.cards.two { grid-template-columns: repeat(auto-fit, minmax(min(22rem, 100%), 1fr)); }
.cards .card { margin: 0; }
.cards { margin-top: 1rem; }
.wide { grid-column: 1 / -1; }
ul.verdicts { list-style: none; padding: 0; margin: .5rem 0 0; }
ul.verdicts li { padding-left: 1.6rem; position: relative; margin: .35rem 0; overflow-wrap: anywhere; }
ul.verdicts li::before { position: absolute; left: 0; font-weight: 700; width: 1.1rem; text-align: center; }
li.good::before { content: "\\2713"; color: var(--good); }
li.bad::before { content: "!"; color: var(--bad); }
li.so::before { content: "\\00b7"; color: var(--muted); }
li.bad { color: var(--bad); }
figure { margin: 0; }
.chart { position: relative; margin-top: .6rem; }
.chart svg { display: block; width: 100%; height: 9rem; }
.bar { fill: var(--accent); }
.bar:hover, .cell:hover { opacity: .75; }
.floor { stroke: var(--line); stroke-width: 1; vector-effect: non-scaling-stroke; }
.mark { stroke: var(--less); stroke-width: 1.5; stroke-dasharray: 4 3; vector-effect: non-scaling-stroke; }
.axis { display: flex; font-size: .72rem; color: var(--muted); font-variant-numeric: tabular-nums; }
.axis span { display: flex; justify-content: center; flex: 1 1 0; min-width: 0; white-space: nowrap; }
.axis .dead { color: var(--bad); font-weight: 700; }
.axis.ends { justify-content: space-between; }
.axis.ends span { flex: none; }
.scroll { overflow-x: auto; margin-top: .5rem; scrollbar-width: thin; }
.key { display: inline-block; width: 1rem; border-top: 2px dashed var(--less); vertical-align: middle; }
.more { fill: var(--accent); } .fewer { fill: var(--less); } .empty { fill: var(--line); }
.grid text { fill: var(--muted); font-size: 10px; }
.swatch, table.heat td { forced-color-adjust: none; print-color-adjust: exact; }
.swatch { display: inline-block; width: .75rem; height: .75rem; border-radius: 2px; vertical-align: -1px; }
table { border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums; }
table.full { width: 100%; }
th, td { padding: .3rem .6rem; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
th { color: var(--muted); font-weight: 600; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
td.text, th.text { text-align: left; white-space: normal; min-width: 8rem; overflow-wrap: anywhere; }
tr:last-child td, tr:last-child th { border-bottom: 0; }
a { color: var(--accent); }
table.heat { border-collapse: separate; border-spacing: 2px; }
table.heat th, table.heat td { border: 0; padding: .2rem .3rem; text-align: center; font-size: .75rem; min-width: 2.1rem; }
table.heat th:first-child {
  position: sticky; left: 0; background: var(--card); text-align: right; padding-right: .5rem;
}
table.heat th span {
  width: max-content; max-width: min(9rem, 32vw); margin-left: auto; white-space: normal; overflow-wrap: anywhere; line-height: 1.25;
  display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 3; line-clamp: 3; overflow: hidden;
}
/* Never so dark, or in the dark so light, that the number in it could not be read. */
table.heat td { border-radius: 4px; background: color-mix(in srgb, var(--accent) calc(var(--v, 0) * var(--heat)), var(--card)); }
table.heat td.named { outline: 2px solid var(--less); outline-offset: -1px; font-weight: 700; }
table.heat.many { --heat: 100%; }
table.heat.many td { min-width: 1rem; padding: .2rem 0; color: transparent; }
table.heat.many th:not(:first-child) { min-width: 1rem; padding: .2rem 0; font-size: .65rem; }
.plot { display: grid; grid-template-columns: auto 1fr; column-gap: .4rem; margin-top: .5rem; padding-right: .6rem; }
.plot svg { display: block; width: 100%; height: 12rem; overflow: visible; }
.plot.square { max-width: 24rem; }
.plot.square svg { height: auto; aspect-ratio: 1; }
.plot .name { grid-column: 1 / -1; font-size: .72rem; color: var(--muted); margin-bottom: .45rem; }
.plot .name.end { text-align: right; margin: .1rem 0 0; }
.plot .left, .plot .below { position: relative; font-size: .72rem; color: var(--muted); font-variant-numeric: tabular-nums; white-space: nowrap; }
.plot .left b { visibility: hidden; font-weight: 400; }
.plot .left span { position: absolute; right: 0; transform: translateY(-50%); }
.plot .below { grid-column: 2; height: 1.2rem; }
.plot .below span { position: absolute; top: .15rem; transform: translateX(-50%); }
.plot path { fill: none; vector-effect: non-scaling-stroke; stroke: var(--accent); stroke-width: 2; stroke-linejoin: round; }
.plot path.other { stroke: var(--less); stroke-dasharray: 7 3; }
.plot path.reference { stroke: var(--muted); stroke-width: 1.25; stroke-dasharray: 2 3; }
.plot path.dots { stroke-width: 5; stroke-linecap: round; stroke-opacity: .55; }
.plot path.solid { stroke-width: 7; stroke-linecap: round; }
.plot path.spot { stroke: var(--less); stroke-width: 10; stroke-linecap: round; }
.plot path.whiskers { stroke-width: 1.25; }
.legend { display: flex; flex-wrap: wrap; gap: .1rem 1rem; font-size: .8rem; margin-top: .5rem; }
.legend .line { display: inline-block; width: 1.4rem; border-top: 2px solid var(--accent); vertical-align: middle; margin-right: .35rem; }
.legend .other { border-top: 2px dashed var(--less); }
.legend .reference { border-top: 2px dotted var(--muted); }
.legend .dots, .legend .spot, .legend .solid { width: .55rem; height: .55rem; border: 0; border-radius: 50%; background: var(--accent); forced-color-adjust: none; print-color-adjust: exact; }
.legend .dots { opacity: .7; }
.legend .spot { background: var(--less); }
.legend .whiskers { width: 0; height: .9rem; border: 0; border-left: 2px solid var(--accent); }
table.facts th { text-align: left; vertical-align: top; width: 30%; }
table.facts td.text, table.wrap td.text, table.wrap th.text { min-width: 4rem; }
table.facts th[scope=row], table.wrap th[scope=row] { white-space: normal; overflow-wrap: anywhere; min-width: 5.2rem; }
table.wrap thead th { white-space: normal; vertical-align: bottom; }
@media (min-width: 800px) { table.full.wrap th[scope=row] { min-width: 10rem; } }
table tr.own td, table tr.own th { font-weight: 700; color: var(--text); }
td small { color: var(--muted); }
.track { display: block; position: relative; height: .8rem; min-width: 3rem; }
.track i { position: absolute; top: .1rem; bottom: .1rem; background: var(--accent); border-radius: 2px; forced-color-adjust: none; print-color-adjust: exact; }
.track b { position: absolute; top: .32rem; height: .16rem; background: var(--less); forced-color-adjust: none; print-color-adjust: exact; }
td.track-cell { width: 50%; }
pre { background: var(--bg); border: 1px solid var(--line); border-radius: 6px; padding: .5rem .7rem; margin: .5rem 0; font-size: .8rem; white-space: pre-wrap; overflow-wrap: anywhere; }
nav { font-size: .875rem; margin-top: .5rem; display: flex; flex-wrap: wrap; gap: .1rem .9rem; }
table.confusion td { min-width: 3.2rem; line-height: 1.25; font-size: .8rem; }
table.confusion.many-classes td { min-width: 1.7rem; padding: .15rem 0; font-size: .72rem; }
table.confusion.many-classes th { min-width: 1.2rem; padding: .15rem 0; font-size: .72rem; }
table.confusion.many-classes th span { max-width: 4rem; }
table.confusion td.right { outline: 1px solid var(--muted); outline-offset: -1px; }
table.confusion th span { margin: 0 auto; max-width: min(6rem, 20vw); }
table.confusion th:first-child span { max-width: min(9rem, 28vw); }
td.kind { white-space: nowrap !important; min-width: 0 !important; }
code { white-space: nowrap; }
pre code { white-space: pre-wrap; }
@media (max-width: 30rem) {
  table { font-size: .8rem; }
  th, td { padding-left: .25rem; padding-right: .25rem; }
  table.wrap th[scope=row] { min-width: 4.5rem; }
}
details { margin-top: .75rem; }
summary { cursor: pointer; color: var(--muted); font-size: .875rem; }
footer { margin-top: 3rem; color: var(--muted); font-size: .875rem; }
footer p { max-width: 46rem; }
.layers { display: flex; flex-wrap: wrap; align-items: baseline; gap: .1rem .3rem; margin-top: .6rem; }
.layers > label { order: 1; margin-right: .8rem; font-size: .875rem; overflow-wrap: anywhere; }
.layers > input { order: 1; }
.layers > input, #numbers { margin: 0; accent-color: var(--accent); }
label[for=numbers] { font-size: .875rem; margin-left: .3rem; }
.layer { order: 2; display: none; width: 100%; min-width: 0; }
.layers > input:checked + label + .layer { display: block; }
.layer h3 { margin-top: .9rem; }
.legend span > i { font-style: normal; padding: 0 .4em; border-radius: 3px; margin-right: .3rem; }
.passage { white-space: pre-wrap; overflow-wrap: anywhere; line-height: 1.75; tab-size: 4; margin-top: .3rem; }
.passage .t { border-radius: 3px; padding: .1em 0; box-shadow: -1px 0 var(--card); -webkit-box-decoration-break: clone; box-decoration-break: clone; }
.passage .t:hover { outline: 2px solid var(--text); }
.passage .several { text-decoration: underline dotted; }
.passage i { font-style: normal; user-select: none; }
.passage .cut { color: var(--muted); }
#numbers:checked ~ .layers .new::before { content: attr(data-e); font-size: .65em; font-weight: 700; vertical-align: .35em; padding: 0 .15em; user-select: none; }
.e0 { background: var(--e0); } .e1 { background: var(--e1); } .e2 { background: var(--e2); } .e3 { background: var(--e3); }
.e4 { background: var(--e4); } .e5 { background: var(--e5); } .e6 { background: var(--e6); } .e7 { background: var(--e7); }
.other { background: var(--line); }
.passage .t, .legend i { forced-color-adjust: none; print-color-adjust: exact; color: var(--text); }
.word { white-space: nowrap; margin-right: .7rem; display: inline-block; }
.word code { background: var(--bg); border: 1px solid var(--line); border-radius: 4px; padding: 0 .25em; white-space: pre-wrap; overflow-wrap: anywhere; }
@media print {
  :root {
    color-scheme: light;
    --bg: #ffffff; --card: #ffffff; --text: #1f2429; --muted: #535c64; --line: #d5d3cc;
    --accent: #22688f; --heat: 70%; --less: #b4602b; --good: #2c7a4b; --bad: #b3362b;
    --e0: #a3cdf2; --e1: #ffc285; --e2: #a2e0a8; --e3: #f9aecb;
    --e4: #f0e468; --e5: #cdbcf7; --e6: #84e0da; --e7: #d8c3a8;
  }
  main { max-width: none; padding: 0; }
  nav { display: none; }
  .card, figure, tr { break-inside: avoid; }
  h2, h3 { break-after: avoid; }
  .scroll { overflow: visible; }
  .bar, .cell, table.heat td { print-color-adjust: exact; }
}
"""
