// The settings: how answers are drawn, the key, colours and language.

import {byId} from './dom.js';
import {recall, recallKey, remember, rememberKey} from './store.js';

/// temperature and top_p as most models' makers advise; the rest is left to the server.
const kDefaults = {temperature: '0.7', top_p: '0.9', max_tokens: '', seed: '', system: ''};
const kRanges = {temperature: [0, 2], top_p: [0, 1], max_tokens: [1, 1e6], seed: [0, 2 ** 53 - 1]};
const field = (name) => byId(`set-${name}`);

function numberOf(name) {
  const text = field(name).value.trim();
  const value = Number(text);
  if (text === '' || !Number.isFinite(value)) return undefined;
  const [least, most] = kRanges[name];
  return Math.min(Math.max(value, least), most);
}

/// The part of a request's body that is settings; what is left to the server is absent.
export function sampling() {
  return {model: field('model').value || undefined, temperature: numberOf('temperature'),
          top_p: numberOf('top_p'), max_tokens: numberOf('max_tokens'), seed: numberOf('seed')};
}

export const systemPrompt = () => field('system').value.trim();

function showTheme(theme) {
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
}

/// Whether dark colours are shown now, chosen or the system's.
export function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
}

export function chooseTheme(theme) {
  remember('theme', theme);
  field('theme').value = theme;
  showTheme(theme);
}

/// What /v1/models lists; a choice only where there are several.
export function showModels(ids) {
  const select = field('model');
  const chosen = recall('model');
  select.replaceChildren(...ids.map((id) => new Option(id, id, false, id === chosen)));
  select.closest('.field').hidden = ids.length < 2;
}

/// onKey: another key was entered. onLanguage: another language was chosen.
export function setUpSettings({onKey, onLanguage}) {
  const dialog = byId('settings');
  for (const [name, value] of Object.entries(kDefaults)) {
    field(name).value = recall(name) ?? value;
    field(name).addEventListener('change', () => remember(name, field(name).value));
  }
  field('model').addEventListener('change', () => remember('model', field('model').value));
  field('theme').value = recall('theme') ?? '';
  field('theme').addEventListener('change', () => chooseTheme(field('theme').value));
  field('language').value = recall('language') ?? '';
  field('language').addEventListener('change', () => {
    remember('language', field('language').value);
    onLanguage();
  });
  field('key').value = recallKey();
  field('key').addEventListener('change', () => {
    rememberKey(field('key').value.trim());
    onKey();
  });
  byId('settings-defaults').addEventListener('click', () => {
    for (const [name, value] of Object.entries(kDefaults)) {
      field(name).value = value;
      remember(name, value);
    }
  });
  byId('settings-close').addEventListener('click', () => dialog.close());
  dialog.addEventListener('click', (event) => {
    if (event.target === dialog) dialog.close();  // beside it
  });
  dialog.addEventListener('close', () => {
    // The focus goes back to where it was. In a text field that is not enough: after a click on the
    // cross Chromium leaves it without a caret, and what is typed is lost.
    const back = document.activeElement;
    back.blur();
    back.focus();
  });
  byId('open-settings').addEventListener('click', () => openSettings());
}

export function openSettings(at = null) {
  const dialog = byId('settings');
  if (!dialog.open) dialog.showModal();
  if (at) field(at).focus();
}
