// Tells screen readers of an answer as it comes: whole sentences, not too often. A live region over
// the text itself would read every piece again.

import {byId, el} from './dom.js';

const kEveryMs = 2500;
const kSentence = /[.!?](?=\s|$)|[\n\u3002\uff01\uff1f]/g;

export class Announcer {
  constructor() {
    this.said = 0;
    this.at = 0;
  }

  say(text) {
    const region = byId('announcer');
    region.append(el('p', {}, text));
    while (region.childNodes.length > 4) region.firstChild.remove();
  }

  begin(text) {
    this.said = 0;
    this.at = performance.now();
    this.say(text);
  }

  /// The answer so far.
  heard(answer) {
    const now = performance.now();
    if (now - this.at < kEveryMs) return;
    const fresh = answer.slice(this.said);
    const end = [...fresh.matchAll(kSentence)].at(-1);
    if (!end) return;
    this.at = now;
    this.said += end.index + 1;
    this.say(fresh.slice(0, end.index + 1).trim());
  }

  end(answer, text) {
    const rest = answer.slice(this.said).trim();
    if (rest) this.say(rest);
    this.say(text);
  }
}
