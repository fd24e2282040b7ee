// Puts the page together.

import {getJson} from './api.js';
import {Chat} from './chat.js';
import {byId} from './dom.js';
import {Machine} from './machine.js';
import {chooseTheme, isDark, openSettings, setUpSettings, showModels} from './settings.js';
import {recall, remember} from './store.js';
import {chooseLanguage, t, translate} from './words.js';

const kViews = ['chat', 'both', 'machine'];
const kBothFits = matchMedia('(min-width: 1080px)');

function shownView() {
  const view = recall('view') ?? 'both';
  return view === 'both' && !kBothFits.matches ? 'chat' : view;
}

function showView(machine) {
  const view = shownView();
  document.body.dataset.view = view;
  for (const name of kViews) byId(`view-${name}`).setAttribute('aria-pressed', String(name === view));
  machine.want(view !== 'chat');
}

function showThemeButton() {
  byId('theme').setAttribute('aria-label', t(isDark() ? 'light' : 'dark'));
}

function showWords(machine) {
  chooseLanguage(recall('language') ?? '');
  translate();
  showThemeButton();
  machine?.words();
}

async function loadModels() {
  try {
    const {data} = await getJson('/v1/models');
    showModels(data.map(({id}) => id));
    chat.takePictures(data[0]?.takes_pictures !== false);
    byId('model').textContent = data[0]?.id ?? '';
  } catch (error) {
    byId('model').textContent = '';
    if (error.status === 401 || error.status === 403) openSettings('key');
  }
}

showWords(null);
const machine = new Machine();
const chat = new Chat();
chat.showState();
setUpSettings({
  onKey: () => {
    loadModels();
    machine.restart();
  },
  onLanguage: () => showWords(machine),
});
for (const name of kViews)
  byId(`view-${name}`).addEventListener('click', () => {
    remember('view', name);
    showView(machine);
  });
kBothFits.addEventListener('change', () => showView(machine));
byId('theme').addEventListener('click', () => {
  chooseTheme(isDark() ? 'light' : 'dark');
  showThemeButton();
});
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', showThemeButton);
showView(machine);
loadModels();
byId('question').focus();
