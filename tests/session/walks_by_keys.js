// Walks through the first flame graph of a page by keys, and tells where it is after each.
const press = (key) => document.activeElement.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
const found = [];
const tell = () => found.push(document.activeElement.title.split(":")[0] + location.hash);
document.querySelector(".flame [tabindex='0']").focus(); tell();
press("ArrowDown"); tell(); press("ArrowDown"); tell(); press("ArrowRight"); tell(); press("ArrowLeft"); tell();
press("Enter"); tell(); press("ArrowUp"); tell(); press("Escape"); tell();
document.body.dataset.found = JSON.stringify(found);
