"""The look of a report: light on every screen, and on A4 and Letter alike."""

from __future__ import annotations

import re

_FOOT = re.compile(r"[^0-9A-Za-z-]")
_STYLE = """
:root { color-scheme: light; --ink: #1b2026; --soft: #535c66; --line: #cfd5dc; --paper: #fff;
  --mark: #1d4f86; --region: #b3541e; --pale: #f4f6f8; }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; background: #e9ecef; }
body { font: 15px/1.5 system-ui, "Helvetica Neue", Arial, sans-serif; color: var(--ink);
  background: var(--paper); max-width: 54rem; margin: 1.5rem auto; padding: 2.25rem 2.5rem;
  overflow-wrap: anywhere; }
p, ul, dl { margin: .4rem 0 .8rem; } ul { padding-left: 1.2rem; }
h1 { font-size: 1.65rem; line-height: 1.2; margin: .2rem 0 .4rem; letter-spacing: -.01em; }
h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem; padding-bottom: .25rem;
  border-bottom: 1.5px solid var(--ink); }
h3 { font-size: 1rem; margin: 1.2rem 0 .3rem; }
.kicker, .note, figcaption, caption { color: var(--soft); font-size: .85rem; }
.kicker { margin: 0; letter-spacing: .01em; }
.file { font-size: 1.05rem; margin: 0 0 1rem; }
.prose { white-space: pre-line; }
.hash { font: .82rem/1.45 ui-monospace, "DejaVu Sans Mono", Consolas, monospace;
  overflow-wrap: anywhere; }
.verdict { border: 1.5px solid var(--ink); border-left-width: .6rem; padding: 1rem 1.25rem; }
.verdict .words { font-size: 1.5rem; font-weight: 700; line-height: 1.2; margin: 0 0 .2rem; }
.verdict .code { color: var(--soft); margin: 0 0 .6rem; }
.likely_manipulated { border-color: #9c3a12; background: #fff6f1; }
.no_manipulation_found { border-color: #1d4f86; background: #f3f7fc; }
.inconclusive { border-color: #7a6412; background: #fdf9ea; }
.no_face, .no_model, .failed { border-color: #57606a; background: #f5f6f8; }
.columns { display: grid; grid-template-columns: 1fr 1fr; gap: 0 2rem; }
.columns h3 { margin-top: .6rem; }
.decision { border: 1.5px solid var(--ink); border-top: 0; border-left-width: .6rem;
  padding: .7rem 1.25rem; }
.decision p, .entry p { margin: .15rem 0; }
.entry { border-left: 3px solid var(--line); padding-left: .9rem; margin: 0 0 .9rem; }
dl { display: grid; grid-template-columns: minmax(8rem, 13rem) 1fr; gap: .2rem 1rem; }
dt { color: var(--soft); } dd { margin: 0; }
table { border-collapse: collapse; width: 100%; font-size: .88rem; margin: .5rem 0 1rem; }
caption { text-align: left; padding-bottom: .25rem; }
th, td { border-bottom: 1px solid var(--line); padding: .3rem .6rem .3rem 0; text-align: left;
  vertical-align: top; }
th { font-weight: 600; border-bottom-color: var(--ink); white-space: nowrap; }
.scroll { overflow-x: auto; } .scroll svg { min-width: 38rem; }
.timeline { display: block; width: 100%; height: auto; }
svg text { font-size: 11px; fill: var(--ink); font-family: inherit; }
.axis { stroke: var(--soft); stroke-width: 1; fill: none; }
.grid { stroke: var(--line); stroke-width: 1; }
.limit { stroke: var(--ink); stroke-width: 1; stroke-dasharray: 4 3; }
.stem { stroke: var(--mark); stroke-width: 1.5; opacity: .55; }
.dot { fill: var(--mark); } .high { fill: var(--region); }
.open { fill: var(--paper); stroke: var(--soft); stroke-width: 1.5; }
.range { fill: var(--region); fill-opacity: .16; stroke: var(--region); stroke-width: 1; }
.heat { fill: #e8590c; } .cell { fill: none; stroke: #fff; stroke-width: 4; }
.edge { fill: none; stroke: #111; stroke-width: 2; }
.blank { fill: #dfe3e8; }
.faces { display: flex; flex-wrap: wrap; gap: .8rem 1.2rem; align-items: flex-start; }
figure { margin: .4rem 0 .8rem; } .faces figure { width: 9.5rem; }
.faces .wide { width: 20rem; max-width: 100%; } .pair { display: flex; gap: .4rem; }
figure svg { display: block; width: 100%; height: auto; }
.pair svg { width: calc(50% - .2rem); }
.apart { border: 1.5px dashed var(--soft); background: var(--pale); padding: .9rem 1.25rem 1rem;
  margin: 0 0 1rem; }
.apart h3 { margin-top: .2rem; }
footer { border-top: 1px solid var(--line); margin-top: 2rem; padding-top: .6rem; }
@media (max-width: 40rem) {
  body { margin: 0; padding: 1.25rem 1rem; } .columns { grid-template-columns: 1fr; }
  dl { grid-template-columns: 1fr; gap: 0; } dd { margin-bottom: .5rem; }
  .wrap { overflow-x: auto; } .wrap table { min-width: 30rem; } }
@page { margin: 17mm 16mm 19mm;
  @bottom-right { content: "Page " counter(page) " of " counter(pages);
    font: 8pt system-ui, sans-serif; } }
@media print {
  html { background: none; }
  body { margin: 0; padding: 0; max-width: none; font-size: 10pt; line-height: 1.42; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  .scroll, .wrap { overflow: visible; } .scroll svg, .wrap table { min-width: 0; }
  h2, h3, caption { break-after: avoid; }
  figure, tr, dl, .verdict, .decision, .entry, .track { break-inside: avoid; }
  .hash { font-size: 7.5pt; } dl { grid-template-columns: 4.7cm 1fr; }
  thead { display: table-header-group; }
  .faces { display: block; }
  .faces figure { display: inline-block; vertical-align: top; margin-right: 5mm; }
  dl + dl { break-before: avoid; }
  p, li { orphans: 3; widows: 3; } }
"""


def write_style(analysis_id: str, sha256: str) -> str:
    """Return the style of a report whose printed pages all name the analysis and the file.

    Of both, only letters, digits and hyphens are kept.
    """
    named = f"Analysis {_FOOT.sub('', analysis_id)[:64]}"
    if sha256:
        named += f", file {_FOOT.sub('', sha256)[:16]}"
    foot = f'content: "{named}"; font: 8pt system-ui, sans-serif;'
    return f"{_STYLE}@page {{ @bottom-left {{ {foot} }} }}\n"
