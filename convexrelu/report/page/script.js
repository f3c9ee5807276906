"use strict";
// What is said of a point or a bar, beside the pointer.
const tip = document.getElementById("tip");
document.addEventListener("pointermove", (event) => {
  const text = event.target instanceof Element && event.target.getAttribute("data-tip");
  tip.hidden = !text;
  if (!text) return;
  tip.textContent = text;
  const left = Math.min(event.clientX + 12, window.innerWidth - tip.offsetWidth - 4);
  const above = event.clientY - tip.offsetHeight - 10;
  tip.style.left = `${Math.max(left, 4)}px`;
  tip.style.top = `${above > 4 ? above : event.clientY + 16}px`;
});

// Heads of tables sort by their columns: once up, once down.
for (const head of document.querySelectorAll("th[data-sort]")) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = head.textContent;
  head.replaceChildren(button);
  button.addEventListener("click", () => sortBy(head));
}

function sortBy(head) {
  const rising = head.getAttribute("aria-sort") !== "ascending";
  for (const other of head.parentNode.children) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", rising ? "ascending" : "descending");
  const value = (row) => row.cells[head.cellIndex].dataset.value;
  const order = head.dataset.sort === "number"
    ? (a, b) => Number(value(a)) - Number(value(b))
    : (a, b) => value(a).localeCompare(value(b));
  const body = head.closest("table").tBodies[0];
  const rows = [...body.rows].sort((a, b) => (rising ? order(a, b) : order(b, a)));
  body.append(...rows);
}
