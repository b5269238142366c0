// What is wrong with how a page looks: contrast below 4.5:1 (WCAG 2, text), text that is cut, boxes over each other.
const seen = (element) => element.getClientRects().length > 0;
const name = (element) => element.tagName + "." + element.className + " " + element.textContent.slice(0, 40);
const wrong = [];
function luminance(text) {
  const [r, g, b] = text.match(/[0-9.]+/g).map((each) => each / 255)
    .map((each) => (each <= 0.03928 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
function behind(element) {
  for (let each = element; each; each = each.parentElement) {
    const color = getComputedStyle(each).backgroundColor;
    if (!/, 0\)$/.test(color)) return color;
  }
  return "rgb(255, 255, 255)";
}
if (document.documentElement.scrollWidth > innerWidth) wrong.push("wider than the window: " + document.documentElement.scrollWidth);
for (const each of document.querySelectorAll("main *, h1")) {
  const own = [...each.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
  if (!own || !seen(each)) continue;
  const pair = [luminance(getComputedStyle(each).color), luminance(behind(each))].sort((a, b) => b - a);
  const contrast = (pair[0] + 0.05) / (pair[1] + 0.05);
  if (contrast < 4.5) wrong.push(`contrast ${contrast.toFixed(2)}: ${name(each)}`);
}
for (const each of document.querySelectorAll("td, th, .tree span, .tree time, .line, summary, h1, h2"))
  if (seen(each) && each.scrollWidth > each.clientWidth + 1 && each.clientWidth) wrong.push("cut: " + name(each));
for (const box of document.querySelectorAll(".flame")) {
  const cells = [...box.children].map((each) => [each, each.getBoundingClientRect()]), whole = box.getBoundingClientRect();
  for (const [cell, at] of cells) {
    if (at.right > whole.right + 1 || at.bottom > whole.bottom + 1) wrong.push("outside: " + cell.title);
    for (const [other, there] of cells)
      if (cell !== other && at.top === there.top && at.left < there.left && at.right > there.left + 0.5)
        wrong.push(`over each other: ${cell.title} and ${other.title}`);
  }
}
document.body.dataset.wrong = JSON.stringify(wrong.slice(0, 20));
