// One message in the conversation, as nodes.

import {copyFrom, el, icon} from './dom.js';
import {MarkdownView} from './markdown.js';
import {count, figure, t} from './words.js';

/// A question: its pictures and its text, as typed.
export function questionView({text, pictures}) {
  const images = pictures.map((picture) => el('img', {
    src: picture.url, alt: picture.name, width: picture.width, height: picture.height}));
  return el('li', {class: 'message question'},
            el('h2', {class: 'unseen'}, t('you')),
            images.length ? el('div', {class: 'shown-pictures'}, ...images) : null,
            text ? el('p', {class: 'said'}, text) : null);
}

/// An answer that grows. onAgain: the reader wants another one.
export class AnswerView {
  constructor({onAgain}) {
    this.text = '';
    this.body = el('div', {class: 'markdown'});
    this.markdown = new MarkdownView(this.body);
    this.figures = el('span', {class: 'figures'});
    this.note = el('span', {class: 'note'});
    this.copyButton = el('button', {
      class: 'quiet', type: 'button', 'aria-label': t('copy'), title: t('copy'),
      click: () => copyFrom(this.copyButton, this.text, t('copied'))}, icon('copy'));
    this.againButton = el('button', {
      class: 'quiet again', type: 'button', 'aria-label': t('again'), title: t('again'),
      click: onAgain}, icon('again'));
    this.foot = el('div', {class: 'foot', hidden: true}, this.copyButton, this.againButton,
                   this.note, this.figures);
    this.node = el('li', {class: 'message answer growing', 'aria-busy': 'true'},
                   el('h2', {class: 'unseen'}, t('answer')), this.body, this.foot);
    this.frame = 0;
  }

  /// Drawn with the next frame, so that a hundred pieces a second cost no more than sixty drawings.
  add(piece) {
    this.text += piece;
    if (!this.frame) this.frame = requestAnimationFrame(() => this.draw());
  }

  draw() {
    this.frame = 0;
    this.markdown.set(this.text);
    this.node.dispatchEvent(new CustomEvent('grown', {bubbles: true}));
  }

  finish({note = '', usage = null, firstS = 0, decodeS = 0} = {}) {
    cancelAnimationFrame(this.frame);
    this.draw();
    this.node.classList.remove('growing');
    this.node.removeAttribute('aria-busy');
    this.foot.hidden = false;
    this.copyButton.hidden = this.text === '';
    this.note.textContent = note;
    if (usage) this.figures.textContent = figuresText(usage, firstS, decodeS);
  }
}

function figuresText(usage, firstS, decodeS) {
  const tokens = usage.completion_tokens ?? 0;
  const rate = tokens > 1 && decodeS > 0 ? (tokens - 1) / decodeS : NaN;
  const text = t('figures', {tokens: count(tokens), rate: figure(rate), first: figure(firstS)});
  const cached = usage.prompt_tokens_details?.cached_tokens ?? 0;
  if (!cached) return text;
  return `${text} · ${t('cachedPart', {cached: count(cached), prompt: count(usage.prompt_tokens)})}`;
}

/// Why there is no answer, and what to do: try again (counted down after a 429), or the settings.
export function errorView(error, {onRetry, onSettings}) {
  const buttons = el('div', {class: 'buttons'});
  const node = el('div', {class: 'failure', role: 'alert'},
                  el('strong', {}, t('errorTitle')), el('p', {}, error.message));
  // The server's message is usually made of them.
  const parts = Object.entries(error.parts ?? {}).filter(([, value]) => !error.message.includes(value));
  if (parts.length)
    node.append(el('dl', {}, ...parts.flatMap(
        ([name, value]) => [el('dt', {}, t(`part_${name}`)), el('dd', {}, value)])));
  if (error.status === 401 || error.status === 403)
    buttons.append(el('button', {type: 'button', click: onSettings}, t('openSettings')));
  const retry = el('button', {type: 'button', click: onRetry}, t('retry'));
  if (error.retryAfterS) node.append(countdown(error.retryAfterS, retry));
  buttons.append(retry);
  node.append(buttons);
  return node;
}

function countdown(seconds, button) {
  const end = performance.now() + 1000 * seconds;
  // Not spoken again each second: an alert's later changes would be.
  const node = el('p', {class: 'wait', 'aria-live': 'off'});
  const tick = () => {
    const left = Math.ceil((end - performance.now()) / 1000);
    node.textContent = left > 0 ? t('retryIn', {seconds: left}) : '';
    button.classList.toggle('primary', left <= 0);
    if (left > 0) setTimeout(tick, 250);
  };
  tick();
  return node;
}
