// Runs before the first paint (not a module, so that nothing flashes): the colours chosen last.
'use strict';
(() => {
  let theme = null;
  try {
    theme = localStorage.getItem('tessera.theme');
  } catch {
    // Storage may be off; then the system's colours are used.
  }
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
})();
