"""JavaScript that looks at the page's elements, also at those in shadow trees."""

from __future__ import annotations

# All elements of the page, also those in shadow trees, in order.
DEEP = """const deep = (root) =>
    [...root.querySelectorAll("*")].flatMap((e) => [e, ...(e.shadowRoot ? deep(e.shadowRoot) : [])]);
const app = () => deep(document).find((e) => e.matches(".app"));"""

# How many texts there are, and those with too little contrast to be read.
CONTRAST = (
    DEEP
    + """
const parse = (text) => { const v = (text.match(/[\\d.]+/g) ?? []).map(Number); return v.length < 4 ? [...v, 1] : v; };
const over = (top, under) => [0, 1, 2].map((k) => top[k] * top[3] + under[k] * (1 - top[3])).concat(1);
const luminance = (c) => [0.2126, 0.7152, 0.0722].reduce((sum, weight, k) => {
    const part = c[k] / 255;
    return sum + weight * (part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
}, 0);
const ratio = (a, b) => {
    const [x, y] = [luminance(a), luminance(b)].sort((p, q) => q - p);
    return (x + 0.05) / (y + 0.05);
};
const parentOf = (e) => e.parentElement ?? (e.getRootNode().host ?? null);
function ground(element) {
    const halo = getComputedStyle(element).textShadow;  // text on a map stands on its own halo
    if (halo !== "none") return parse(halo.match(/rgba?\\([^)]*\\)/)[0]);
    const layers = [];
    for (let e = element; e; e = parentOf(e)) layers.push(parse(getComputedStyle(e).backgroundColor));
    return layers.reverse().reduce((under, top) => over(top, under), [255, 255, 255, 1]);
}
const offenders = [];
let seen = 0;
for (const element of deep(app())) {
    const text = [...element.childNodes].filter((n) => n.nodeType === 3).map((n) => n.textContent.trim()).join("");
    if (!text || !element.checkVisibility({ visibilityProperty: true }) || element.matches("option, .said")) continue;
    seen += 1;
    const under = ground(element);
    const found = ratio(over(parse(getComputedStyle(element).color), under), under);
    const name = `${element.className || element.tagName} "${text.slice(0, 30)}"`;
    if (found < 4.5) offenders.push(`${name} ${found.toFixed(2)}`);
}
return [seen, offenders];"""
)
