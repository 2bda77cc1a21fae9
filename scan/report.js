"use strict";
// Filters the rules; all else is there without it.
(() => {
  const box = document.getElementById("filter");
  const said = document.getElementById("filtered");
  const rules = [...document.querySelectorAll("details.rule")];
  document.getElementById("tools").hidden = false;
  const filter = () => {
    const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const r of rules) {
      const rest = words.filter((w) => !r.dataset.search.includes(w));
      const text = rest.length ? r.textContent.toLowerCase() : "";
      r.hidden = !rest.every((w) => text.includes(w));
      if (!r.hidden) shown++;
    }
    said.textContent = words.length ? shown + " of " + rules.length + " rules" : "";
  };
  box.addEventListener("input", filter);
  document.addEventListener("keydown", (e) => {
    if (e.key === "/" && document.activeElement !== box) {
      e.preventDefault();
      box.focus();
    } else if (e.key === "Escape" && document.activeElement === box) {
      box.value = "";
      filter();
    }
  });
  for (const b of document.querySelectorAll("[data-filter]")) {
    b.addEventListener("click", (e) => {
      e.preventDefault();
      box.value = b.dataset.filter;
      filter();
      box.focus();
    });
  }
})();
