// Light and dark, and the start of everything.
function startTheme() {
  const button = document.getElementById("theme");
  const system = window.matchMedia("(prefers-color-scheme: dark)");
  const root = document.documentElement;
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  const show = () => {
    button.setAttribute("aria-pressed", String(isDark()));
    changed();
  };
  button.hidden = false;
  button.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    show();
  });
  system.addEventListener("change", show);
  show();
}

startTheme();
connectNetworks();
startTraining();
startSurfaces();
startSpectra();
startFeatures();
startPredictions();
startPairs();
startDownloads();
startContents();
startAddress();
document.documentElement.dataset.ready = "true";
