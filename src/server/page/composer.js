// Where a question is put together: the text, and pictures dropped, pasted or picked.

import {byId, el, icon} from './dom.js';
import {kMaxPictures, picturesIn, preparePicture} from './pictures.js';
import {t} from './words.js';

export class Composer {
  /// onSend({text, pictures}), onStop(): what the buttons and keys mean.
  constructor({onSend, onStop}) {
    this.onSend = onSend;
    this.onStop = onStop;
    this.pictures = [];
    this.reading = 0;
    this.busy = false;
    this.takesPictures = true;
    this.form = byId('composer');
    this.text = byId('question');
    this.sendButton = byId('send');
    this.stopButton = byId('stop');
    this.tray = byId('tray');
    this.notice = byId('notice');
    this.text.addEventListener('input', () => this.refresh());
    this.text.addEventListener('keydown', (event) => this.key(event));
    this.form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.send();
    });
    this.stopButton.addEventListener('click', () => this.onStop());
    byId('pick').addEventListener('click', () => byId('file').click());
    byId('file').addEventListener('change', (event) => {
      this.add([...event.target.files]);
      event.target.value = '';
    });
    this.listenForPictures();
    this.refresh();
  }

  listenForPictures() {
    document.addEventListener('paste', (event) => {
      const files = picturesIn(event.clipboardData);
      if (!files.length) return;
      event.preventDefault();
      this.add(files);
    });
    let depth = 0;  // dragenter and dragleave come for every element on the way
    const carriesFiles = (event) => event.dataTransfer?.types.includes('Files');
    const mark = (on) => document.body.classList.toggle('dropping', on);
    document.addEventListener('dragenter', (event) => {
      if (carriesFiles(event)) mark(++depth > 0);
    });
    document.addEventListener('dragleave', (event) => {
      if (carriesFiles(event)) mark((depth = Math.max(0, depth - 1)) > 0);
    });
    document.addEventListener('dragover', (event) => {
      if (carriesFiles(event)) event.preventDefault();
    });
    document.addEventListener('drop', (event) => {
      if (!carriesFiles(event)) return;
      event.preventDefault();
      mark((depth = 0) > 0);
      this.add([...event.dataTransfer.files]);
    });
  }

  key(event) {
    // The Enter that picks a word of an input method is not ours.
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    this.send();
  }

  say(text) {
    this.notice.textContent = text;
  }

  async add(files) {
    this.say('');
    if (!this.takesPictures) return this.say(t('noPictures'));
    for (const file of files) {
      if (this.pictures.length + this.reading >= kMaxPictures) {
        this.say(t('tooManyPictures', {count: kMaxPictures}));
        break;
      }
      ++this.reading;
      this.refresh();
      try {
        const picture = await preparePicture(file);
        this.pictures.push(picture);
        if (picture.note) this.say(`${picture.name}: ${picture.note}`);
      } catch (error) {
        this.say(error.message);
      }
      --this.reading;
      this.showTray();
    }
    this.text.focus();
  }

  showTray() {
    this.tray.replaceChildren(...this.pictures.map((picture) => el('li', {},
        el('img', {src: picture.url, alt: picture.name}),
        el('button', {type: 'button', 'aria-label': t('removePicture', {name: picture.name}),
                      click: () => this.remove(picture)}, icon('cross')))));
    this.refresh();
  }

  remove(picture) {
    this.pictures = this.pictures.filter((other) => other !== picture);
    this.say('');
    this.showTray();
    (this.tray.querySelector('button') ?? this.text).focus();
  }

  send() {
    const text = this.text.value.trim();
    if (this.busy || this.reading || (!text && !this.pictures.length)) return;
    const pictures = this.pictures;
    this.clear();
    this.onSend({text, pictures});
    this.text.focus();
  }

  clear() {
    this.pictures = [];
    this.text.value = '';
    this.say('');
    this.showTray();
  }

  setBusy(busy) {
    const hadFocus = document.activeElement === this.stopButton;
    this.busy = busy;
    this.stopButton.hidden = !busy;
    this.sendButton.hidden = busy;
    if (hadFocus) this.text.focus();
    this.refresh();
  }

  refresh() {
    const empty = !this.text.value.trim() && !this.pictures.length;
    this.sendButton.disabled = empty || this.reading > 0;
    this.text.style.height = 'auto';  // grows with its text; the style sheet limits it
    this.text.style.height = `${this.text.scrollHeight}px`;
  }
}
