/* The button that prints a page made for paper too. Without JavaScript the browser's own menu does the same. */

for (const button of document.querySelectorAll("[data-print]")) {
  button.hidden = false;
  button.addEventListener("click", () => print());
}
