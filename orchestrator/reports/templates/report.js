"use strict";
(() => {
  const data = (id) => JSON.parse(document.getElementById(id).textContent);
  const root = document.documentElement;

  const draw = async () => {
    const specs = data("specs");
    const began = performance.now();
    for (const place of document.querySelectorAll("[data-chart]")) {
      const spec = { ...specs[place.dataset.chart], width: "container" };
      spec.autosize = { type: "fit-x", contains: "padding", resize: true };
      try {
        // Expressions are interpreted, not compiled: the page's policy forbids making code from text.
        await vegaEmbed(place, spec, { renderer: "svg", actions: false, ast: true, defaultStyle: false });
        // What is told of a chart is the label of its place; its marks would be read out one by one.
        place.querySelector("svg").setAttribute("aria-hidden", "true");
      } catch (error) {
        place.textContent = "This chart could not be drawn; its figures are in the table below.";
        console.error(error);
      }
    }
    root.dataset.drawn = String(Math.round(performance.now() - began));
  };

  // The pictures are in the result, which is in the page: once is enough.
  const show = () => {
    const places = document.querySelectorAll("[data-proof]");
    const proof = places.length ? data("result").proof : {};
    for (const place of places) place.src = `data:image/png;base64,${proof[place.dataset.proof]}`;
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
    const said = document.getElementById("copied");
    try {
      await navigator.clipboard.writeText(document.getElementById("command").textContent);
      said.textContent = "copied";
    } catch {
      getSelection().selectAllChildren(document.getElementById("command"));
      said.textContent = "selected; copy it with your keyboard";
    }
  };

  document.getElementById("download").addEventListener("click", save);
  document.getElementById("copy").addEventListener("click", copy);
  show();
  draw();
})();
