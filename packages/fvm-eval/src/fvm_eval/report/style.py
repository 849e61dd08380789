"""The page's style sheet: light and dark by the reader's preference, one column, phone to desktop."""

import re

CSS = """
:root{color-scheme:light dark;
--font:system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;
--ink:#1b1f24;--muted:#5d6672;--rule:#d5dae0;--paper:#fff;--wash:#f5f7f9;--good:#00704f;--bad:#b23c00;--doubt:#8a6100;
--m0:#0072b2;--m1:#d55e00;--m2:#009e73;--m3:#b8578a;--m4:#b27a00;--m5:#2d8fc4;--m6:#7a7a00;--m7:#7f4f9f}
@media (prefers-color-scheme:dark){:root{--ink:#e8ebee;--muted:#a0a9b4;--rule:#363d46;--paper:#14171b;
--wash:#1c2026;
--good:#4cc79b;--bad:#ff8f57;--doubt:#e9b44c;--m0:#56b4e9;--m1:#f08a4b;--m2:#3dc79c;--m3:#e3a0c4;--m4:#e9b44c;--m5:#8fd0f5;
--m6:#c9c95a;
--m7:#b993d6}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.55 var(--font)}
main{max-width:58rem;margin:0 auto;padding:2.5rem 1.5rem 4rem}
h1{font-size:1.05rem;font-weight:600;color:var(--muted);margin:0 0 .6rem}
h2{font-size:1.25rem;line-height:1.3;margin:3.2rem 0 .5rem;font-weight:650}
h3{font-size:1rem;margin:1.6rem 0 .3rem;font-weight:650}
p{margin:.4rem 0 .8rem;max-width:44rem}
.answer{font-size:1.75rem;line-height:1.25;font-weight:700;max-width:none;margin:0 0 .6rem;
text-wrap:balance}
.numbers{font-size:1.08rem}
.quiet,figcaption{color:var(--muted);font-size:.9rem}
.note{border-left:3px solid var(--m4);padding:.1rem 0 .1rem .8rem;margin:.5rem 0}
figure{margin:1rem 0 0}
figure>video{display:block;width:100%;height:auto;border-radius:4px}
.films{display:grid;grid-template-columns:repeat(auto-fit,minmax(240px,1fr));gap:0 1rem}
figure>svg{display:block;width:100%;height:auto;overflow:visible}
figcaption{margin-top:.4rem;max-width:44rem}
svg.narrow{display:none}
.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(8.5rem,1fr));gap:.8rem 1.6rem;
margin:1.6rem 0 0;
padding:1rem 0 0;border-top:1px solid var(--rule)}
.facts div{min-width:0}.facts dt{color:var(--muted);font-size:.82rem}
.facts dd{margin:0;font-weight:600;font-variant-numeric:tabular-nums;overflow-wrap:anywhere}
.claim{border:1px solid var(--rule);border-radius:8px;padding:.7rem 1rem;margin:.8rem 0}.claim p{margin:0;
max-width:none}.claim .facts{margin-top:.7rem;padding-top:.7rem}
.scroll{overflow-x:auto;margin:.8rem 0 0}
table{border-collapse:separate;border-spacing:0;width:100%;font-size:.93rem;font-variant-numeric:tabular-nums}
th,td{text-align:left;padding:.42rem 1.1rem .42rem 0;border-bottom:1px solid var(--rule);vertical-align:top}
th{font-weight:600;color:var(--muted);font-size:.82rem}
tbody>tr>th{color:var(--ink);font-size:inherit;min-width:11rem;position:sticky;left:0;
background:var(--paper)}
td.n,th.n{text-align:right}td.n{white-space:nowrap}
td small,th small{display:block;color:var(--muted);font-size:.82rem;font-weight:400}
td.n small{white-space:nowrap}
tbody>tr.group>th{padding-top:1.3rem;color:var(--muted);font-size:.82rem}
.swatch{width:1.9em;height:.73em;margin-right:.5em;stroke-width:1.8}
tbody>tr>th:has(.swatch){padding-left:2.4em}th:has(.swatch)>.swatch{margin-left:-2.4em}
.supported{color:var(--good)}.contradicted{color:var(--bad)}.undecided{color:var(--doubt)}
table.claims{margin:.8rem 0 0;table-layout:fixed}
.claims>thead th:first-child{width:31%}.claims>thead th:last-child{width:28%}
.measured{display:grid;grid-template-columns:17fr 45fr 38fr;gap:0 .9rem;text-align:right}
.measured .which{grid-column:1/4;white-space:normal;text-align:right}
.claims>tbody>tr:first-child>td{padding:.9rem 1.1rem .7rem 0}.claims tr.parts>td{padding-top:0}
.claims>tbody>tr:first-child:not(:last-child)>td{border-bottom:0}
.claims details{margin:0 0 .4rem}table.parts{background:var(--wash);font-size:.88rem;margin:.4rem 0}
table.parts th,table.parts td{padding:.4rem .8rem}table.parts tr:last-child td{border-bottom:0}
ol.rules{list-style:none;padding:0;margin:.8rem 0 0}
ol.rules li{display:grid;grid-template-columns:1.6rem 11.5rem 1fr;gap:0 .6rem;padding:.55rem 0;
border-bottom:1px solid var(--rule)}
ol.rules .number{color:var(--muted);font-variant-numeric:tabular-nums}
.status{font-weight:600;white-space:nowrap}.passed{color:var(--good)}.failed{color:var(--bad)}.na{
color:var(--muted)}
.scroll table{border-bottom:1px solid var(--rule)}.scroll th,.scroll td{border-bottom:0}
.scroll tbody>tr>*{border-top:1px solid var(--rule)}
code,pre{font:.85rem/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
pre{background:var(--wash);padding:.8rem 1rem;white-space:pre-wrap;overflow-wrap:anywhere;border-radius:6px;
margin:.6rem 0}
code{overflow-wrap:anywhere}td.n code{white-space:normal}
details{margin:.6rem 0}summary{cursor:pointer;color:var(--muted)}
@media (max-width:640px){main{padding:1.5rem 1rem 3rem}.answer{font-size:1.4rem}.numbers{font-size:1rem}
svg.wide{display:none}
svg.narrow{display:block}h2{margin-top:2.4rem}
ol.rules li{grid-template-columns:1.6rem 1fr}ol.rules .what{grid-column:2}
.claims,.claims>tbody,.claims tr,.claims td{display:block}.claims thead{display:none}
.claims>tbody{border:1px solid var(--rule);border-radius:8px;padding:.4rem .9rem;margin:.8rem 0}
.claims td,.claims>tbody>tr:first-child:nth-child(n)>td{border-bottom:0;
padding:.25rem 0;min-width:0;max-width:none}
.claims tr:first-child>td[colspan]{display:block}.measured{display:block;text-align:left;padding:0}
.measured .which{display:block;text-align:left;margin-left:7rem}
.measured>span,.claims td.n,.claims td.verdict{
display:grid;grid-template-columns:7rem 1fr;text-align:left;white-space:normal}
.claims [data-name]::before{content:attr(data-name);color:var(--muted);font-size:.85rem;grid-row:1/9}
.claims [data-name]>*{grid-column:2}
.stack,.stack thead,.stack tbody,.stack tr,.stack th,.stack td{display:block}
.stack thead th{border-bottom:0;padding:.55rem 0 .2rem}
.stack thead th:not(:first-child),.stack thead th:empty{display:none}
.scroll .stack tbody>tr{border-top:1px solid var(--rule);padding:.55rem 0}
.scroll .stack tbody>tr>*{border-top:0}
.stack tbody>tr>th{position:static;min-width:0;padding:.1rem 0;overflow-wrap:anywhere}
.stack tbody>tr>th:has(.swatch){padding-left:2.4em}
.stack td.n{display:grid;grid-template-columns:minmax(7rem,40%) 1fr;gap:0 .8rem;text-align:left;
padding:.15rem 0;white-space:normal}
.stack td.n:empty{display:none}
.stack td.n::before{content:attr(data-name);color:var(--muted);font-size:.85rem;
grid-row:1/9;overflow-wrap:anywhere}
.stack td.n>*{grid-column:2;overflow-wrap:anywhere}.stack td.n small{white-space:normal}
.answer,h1,h2,figcaption,p{overflow-wrap:anywhere}
table.parts{padding:.2rem .8rem}table.parts tr{border-bottom:1px solid var(--rule);padding:.5rem 0}
table.parts tr:last-child{border-bottom:0}table.parts td.blank{display:none}table.parts td{padding:.15rem 0}}
@media print{main{max-width:none;padding:0}details{display:block}}
"""


def scoped(host: str) -> str:
    """Returns the style sheet for what lies within an element of another's page, as a notebook's cell."""
    return re.sub(r"[^{}]+(?=\{)", lambda rule: _within(rule.group().strip(), host), CSS)


def _within(selectors: str, host: str) -> str:
    if selectors.startswith("@"):
        return selectors
    parts = (part.strip() for part in selectors.split(","))
    return ",".join(host if part in (":root", "body", "main") else f"{host} {part}" for part in parts)
