"use strict";
(() => {
  const data = (id) => JSON.parse(document.getElementById(id).textContent);
  const root = document.documentElement;

  // A chart in a folded part of the page has no width yet, so it is drawn when that is opened.
  const draw = async (within) => {
    const specs = data("specs");
    const began = performance.now();
    for (const element of within.querySelectorAll("[data-chart]:empty")) {
      if (element.closest("details:not([open])")) continue;
      const spec = { ...specs[element.dataset.chart], width: "container" };
      spec.autosize = { type: "fit-x", contains: "padding", resize: true };
      try {
        // Expressions are interpreted, because the policy of the page forbids code made from text.
        await vegaEmbed(element, spec, { renderer: "svg", actions: false, ast: true, defaultStyle: false });
        // The label of the element describes the chart; a screen reader would otherwise read every mark.
        element.querySelector("svg").setAttribute("aria-hidden", "true");
      } catch (error) {
        element.textContent = "This chart could not be drawn; the table below has its figures.";
        console.error(error);
      }
    }
    root.dataset.drawn = String(Math.round(performance.now() - began));
  };
  for (const folded of document.querySelectorAll("details:has([data-chart])"))
    folded.addEventListener("toggle", () => draw(folded));

  // The pictures are taken from the result in the page, so that the page has them once.
  const show = () => {
    const images = document.querySelectorAll("[data-proof]");
    const proof = images.length ? data("result").proof : {};
    for (const image of images) image.src = `data:image/png;base64,${proof[image.dataset.proof]}`;
  };

  const save = () => {
    const text = document.getElementById("result").textContent.trim() + "\n";
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "application/json" }));
    link.download = document.getElementById("download").dataset.name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  };

  const copy = async () => {
    const status = document.getElementById("copied");
    try {
      await navigator.clipboard.writeText(document.getElementById("command").textContent);
      status.textContent = "copied";
    } catch {
      getSelection().selectAllChildren(document.getElementById("command"));
      status.textContent = "selected; press Ctrl+C to copy";
    }
  };

  document.getElementById("download")?.addEventListener("click", save);
  document.getElementById("copy").addEventListener("click", copy);
  show();
  draw(document);
})();
