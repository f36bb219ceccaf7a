// Sets the chosen theme before anything is drawn.
(() => {
  let theme = null;
  try { theme = localStorage.getItem("airwarden-theme"); } catch { /* storage is forbidden: the system's theme */ }
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
})();
