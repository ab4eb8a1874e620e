"use strict";
(function () {
  var box = document.getElementById("frames");
  var reset = document.getElementById("reset");
  var details = document.getElementById("details");
  var found = document.getElementById("found");
  var left = +box.dataset.left, width = +box.dataset.width, character = +box.dataset.character;
  var frames = Array.prototype.map.call(box.children, function (g) {
    var told = g.querySelector("title").textContent.split("\n");
    return { g: g, at: +g.dataset.at, worth: +g.dataset.worth, row: +g.dataset.row, name: told[0], told: told.join(" - "),
      rect: g.querySelector("rect"), text: g.querySelector("text") };
  });

  function zoom(to) {
    var scale = to.worth > 0 ? width / to.worth : 0, end = to.at + to.worth;
    frames.forEach(function (f) {
      var above = f.row < to.row && f.at <= to.at && f.at + f.worth >= end;
      var inside = f.row >= to.row && f.at >= to.at && f.at + f.worth <= end;
      f.g.classList.toggle("above", above);
      f.g.classList.toggle("hidden", !above && !inside);
      if (!above && !inside) return;
      var x = above || !scale ? left : left + (f.at - to.at) * scale;
      var w = above || !scale ? width : f.worth * scale;
      var fits = Math.floor((w - 6) / character);
      f.rect.setAttribute("x", x);
      f.rect.setAttribute("width", w);
      f.text.setAttribute("x", x + 3);
      f.text.textContent = fits < 3 ? "" : f.name.length <= fits ? f.name : f.name.slice(0, fits - 2) + "..";
    });
    reset.classList.toggle("hidden", to === frames[0]);
  }

  function search() {
    var term = prompt("Find frames by a regular expression; nothing ends the search.", "");
    if (term === null) return;
    var matches = function (name) { return name.indexOf(term) >= 0; };
    try {
      var pattern = new RegExp(term);
      matches = function (name) { return pattern.test(name); };
    } catch (error) { /* what is no expression is searched for as it is */ }
    var sum = 0, end = -1;
    frames.forEach(function (f) { f.found = term !== "" && matches(f.name); f.g.classList.toggle("found", f.found); });
    // of a frame found under another only the upper one counts
    frames.filter(function (f) { return f.found; }).sort(function (a, b) { return a.at - b.at || b.worth - a.worth; })
      .forEach(function (f) { if (f.at >= end) { sum += f.worth; end = f.at + f.worth; } });
    found.textContent = term === "" ? "" : "found " + (100 * sum / Math.max(1, +box.dataset.whole)).toFixed(2) + " %";
  }

  frames.forEach(function (f) {
    f.g.addEventListener("click", function () { zoom(f); });
    f.g.addEventListener("mouseover", function () { details.textContent = f.told; });
    f.g.addEventListener("mouseout", function () { details.textContent = ""; });
  });
  reset.addEventListener("click", function () { zoom(frames[0]); });
  document.getElementById("search").addEventListener("click", search);
  window.addEventListener("keydown", function (event) {
    if (event.key === "Escape") zoom(frames[0]);
    if (event.key === "/" || event.key === "f" && event.ctrlKey) { event.preventDefault(); search(); }
  });
})();
