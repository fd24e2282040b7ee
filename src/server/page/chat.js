// The conversation: turns, and the request that is being answered.

import {Announcer} from './announcer.js';
import {ApiError, errorFrom, eventData, request} from './api.js';
import {Composer} from './composer.js';
import {byId} from './dom.js';
import {AnswerView, errorView, questionView} from './message.js';
import {openSettings, sampling, systemPrompt} from './settings.js';
import {t} from './words.js';

/// A question as the API takes it: pictures first, as the model was trained.
function userMessage({text, pictures}) {
  if (!pictures.length) return {role: 'user', content: text};
  const parts = pictures.map(({url}) => ({type: 'image_url', image_url: {url}}));
  if (text) parts.push({type: 'text', text});
  return {role: 'user', content: parts};
}

export class Chat {
  constructor() {
    this.turns = [];  // {question, answer}: answer is the text, null until there is one
    this.views = [];
    this.running = null;  // {abort}
    this.list = byId('messages');
    this.scroller = byId('scroller');
    this.following = true;
    this.announcer = new Announcer();
    this.composer = new Composer({onSend: (question) => this.ask(question),
                                  onStop: () => this.stop()});
    this.scroller.addEventListener('scroll', () => {
      const {scrollTop, scrollHeight, clientHeight} = this.scroller;
      this.following = scrollHeight - scrollTop - clientHeight < 60;
    }, {passive: true});
    this.list.addEventListener('grown', () => this.follow());
    document.addEventListener('keydown', (event) => {
      if (event.key === 'Escape' && !document.querySelector('dialog[open]')) this.stop();
    });
    byId('new-chat').addEventListener('click', () => this.clear());
    for (const idea of document.querySelectorAll('.idea'))
      idea.addEventListener('click', () => {
        this.composer.text.value = idea.textContent;
        this.composer.refresh();
        this.composer.text.focus();
      });
  }

  // Follows the answer unless the reader has scrolled up to read.
  follow() {
    if (this.following) this.scroller.scrollTop = this.scroller.scrollHeight;
  }

  clear() {
    this.stop();
    this.running = null;
    this.turns = [];
    this.list.replaceChildren();
    this.composer.clear();
    this.composer.setBusy(false);
    this.showState();
    this.composer.text.focus();
  }

  /// Whether the model sees at all.
  takePictures(yes) {
    this.composer.takesPictures = yes;
    document.body.classList.toggle('text-only', !yes);
  }

  stop() {
    this.running?.abort.abort();
  }

  showState() {
    document.body.classList.toggle('empty-chat', this.turns.length === 0);
    byId('new-chat').disabled = this.turns.length === 0;
  }

  ask(question) {
    this.turns.push({question, answer: null});
    this.list.append(questionView(question));
    this.showState();
    this.following = true;
    this.answerLast();
  }

  again() {
    if (this.running || !this.turns.length) return;
    this.turns.at(-1).answer = null;
    while (this.list.lastChild && !this.list.lastChild.classList.contains('question'))
      this.list.lastChild.remove();
    this.composer.text.focus();
    this.answerLast();
  }

  body() {
    const messages = [];
    const system = systemPrompt();
    if (system) messages.push({role: 'system', content: system});
    let open = {text: '', pictures: []};  // questions that got no answer go with the next one
    for (const {question, answer} of this.turns) {
      open = {text: [open.text, question.text].filter(Boolean).join('\n\n'),
              pictures: [...open.pictures, ...question.pictures]};
      if (!answer) continue;
      messages.push(userMessage(open), {role: 'assistant', content: answer});
      open = {text: '', pictures: []};
    }
    messages.push(userMessage(open));  // the last turn has none yet
    return {...sampling(), messages, stream: true, stream_options: {include_usage: true}};
  }

  async answerLast() {
    const turn = this.turns.at(-1);
    const view = new AnswerView({onAgain: () => this.again()});
    const running = {abort: new AbortController()};
    this.running = running;
    this.list.append(view.node);
    this.composer.setBusy(true);
    this.announcer.begin(t('answering'));
    this.follow();
    const outcome = await this.stream(view, running.abort.signal);
    if (this.running !== running) return;  // a new chat was begun meanwhile
    this.running = null;
    turn.answer = view.text;
    view.finish(outcome);
    if (outcome.error)
      view.body.after(errorView(outcome.error, {onRetry: () => this.again(),
                                                onSettings: () => openSettings('key')}));
    else this.announcer.end(view.text, outcome.note || t('answered'));
    this.composer.setBusy(false);
    this.follow();
  }

  /// Reads the answer into the view. Returns {note, usage, firstS, decodeS, error}.
  async stream(view, signal) {
    const start = performance.now();
    let first = 0;
    let last = 0;
    let usage = null;
    let reason = null;
    const outcome = (more) => ({usage, firstS: (first - start) / 1000,
                                decodeS: (last - first) / 1000, ...more});
    try {
      const response = await request('/v1/chat/completions', {body: this.body(), signal});
      for await (const data of eventData(response)) {
        if (data === '[DONE]') break;
        const event = JSON.parse(data);
        if (event.error) throw errorFrom(event, t('errorStream'));
        usage = event.usage ?? usage;
        const choice = event.choices?.[0];
        reason = choice?.finish_reason ?? reason;
        const piece = choice?.delta?.content;
        if (!piece) continue;
        last = performance.now();
        first ||= last;
        view.add(piece);
        this.announcer.heard(view.text);
      }
      if (!reason) throw new ApiError(t('errorCut'));
    } catch (error) {
      if (signal.aborted) return outcome({note: t('stopped')});
      return outcome({error: error instanceof ApiError ? error : new ApiError(t('errorCut'))});
    }
    return outcome({note: reason === 'length' ? t('cutOff') : ''});
  }
}
