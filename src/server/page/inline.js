// Markdown inside a line: emphasis, code, links. Builds nodes and nothing else: what the model says
// is text, HTML in it too. Takes time in proportion to the text, whatever is in it.

import {el} from './dom.js';

const kMaxOpen = 12;  // emphasis in emphasis; deeper signs stay as they are
const kEscapable = /[!-/:-@[-`{-~]/;
// ASCII alone: in Chinese a sentence goes on right behind an address.
const kBareLink = /https?:\/\/[!#-;=?-_a-z{|}~]+/y;
const kAngleLink = /<(https?:\/\/[^\s<>]{1,2048})>/y;
const kDestination =  // (address "title"), the address with one pair of parentheses at most
    /\(\s{0,4}<?([^\s<>()]{0,2048}(?:\([^\s<>()]{0,512}\)[^\s<>()]{0,512})?)>?(?:\s{1,4}(?:"[^"]{0,512}"|'[^']{0,512}'))?\s{0,4}\)/y;
const kWord = /[\p{L}\p{N}]/u;

/// The address when it may become a link: http and https alone.
export function safeAddress(text) {
  try {
    const url = new URL(text);
    return url.protocol === 'http:' || url.protocol === 'https:' ? url.href : null;
  } catch {
    return null;
  }
}

function link(address, label) {
  const node = el('a', {href: address, rel: 'noopener noreferrer nofollow', target: '_blank',
                        title: address});
  if (typeof label === 'string') node.append(label);
  else label(node);
  return node;
}

// Where each "[" is closed, in one pass, so that a thousand of them cost no more than one.
function matchBrackets(text) {
  const match = new Map();
  const open = [];
  for (let i = 0; i < text.length; ++i) {
    if (text[i] === '\\') ++i;
    else if (text[i] === '[') open.push(i);
    else if (text[i] === ']' && open.length) match.set(open.pop(), i);
  }
  return match;
}

function matchAt(pattern, text, at) {
  pattern.lastIndex = at;
  return pattern.exec(text);
}

class Inline {
  constructor(text, inLink) {
    this.text = text;
    this.inLink = inLink;
    this.brackets = matchBrackets(text);
    this.frames = [{marker: '', nodes: []}];  // open emphasis, outermost first
    this.plain = '';
    this.noCodeEnd = new Set();  // lengths of ` runs that nothing closes any more
  }

  top() {
    return this.frames[this.frames.length - 1];
  }

  flush() {
    if (this.plain) this.top().nodes.push(this.plain);
    this.plain = '';
  }

  push(node) {
    this.flush();
    this.top().nodes.push(node);
  }

  // The innermost frame was not closed: its sign was only a sign.
  giveUpTop() {
    const frame = this.frames.pop();
    const into = this.top().nodes;
    into.push(frame.marker);
    for (const node of frame.nodes) into.push(node);
  }

  close(index) {
    this.flush();
    while (this.frames.length - 1 > index) this.giveUpTop();
    const {marker, nodes} = this.frames.pop();
    const tag = marker === '~~' ? 'del' : marker.length === 2 ? 'strong' : 'em';
    this.top().nodes.push(el(tag, {}, ...nodes));
  }

  // A run of * _ or ~. Returns the place behind it.
  emphasis(at) {
    const {text} = this;
    const sign = text[at];
    let end = at;
    while (text[end] === sign) ++end;
    let left = end - at;
    const before = text[at - 1] ?? ' ';
    const after = text[end] ?? ' ';
    let opens = !/\s/.test(after);
    let closes = !/\s/.test(before);
    if (sign === '_') {  // snake_case is no emphasis
      opens &&= !kWord.test(before);
      closes &&= !kWord.test(after);
    }
    if (left > 3 || (sign === '~' && left !== 2)) opens = closes = false;
    while (left > 0 && closes) {
      const open = this.frames.findLastIndex(
          (frame) => frame.marker[0] === sign && frame.marker.length <= left);
      if (open < 0) break;
      left -= this.frames[open].marker.length;
      this.close(open);
    }
    while (left > 0 && opens && this.frames.length <= kMaxOpen) {
      const length = left >= 2 ? 2 : 1;
      this.flush();
      this.frames.push({marker: sign.repeat(length), nodes: []});
      left -= length;
    }
    this.plain += sign.repeat(left);
    return end;
  }

  code(at) {
    const {text} = this;
    let start = at;
    while (text[start] === '`') ++start;
    const length = start - at;
    if (!this.noCodeEnd.has(length)) {
      for (let i = text.indexOf('`', start); i >= 0;) {
        let end = i;
        while (text[end] === '`') ++end;
        if (end - i === length) {
          const inside = text.slice(start, i).replaceAll('\n', ' ');
          const padded = inside.startsWith(' ') && inside.endsWith(' ') && inside.trim() !== '';
          this.push(el('code', {}, padded ? inside.slice(1, -1) : inside));
          return end;
        }
        i = text.indexOf('`', end);
      }
      this.noCodeEnd.add(length);
    }
    this.plain += text.slice(at, start);
    return start;
  }

  // [label](address) and ![label](address): a picture from elsewhere is never loaded, only linked.
  bracket(at) {
    const {text} = this;
    const image = text[at] === '!';
    const open = image ? at + 1 : at;
    const closed = this.brackets.get(open);
    const found = closed !== undefined && text[closed + 1] === '(' && !this.inLink
                      ? matchAt(kDestination, text, closed + 1) : null;
    const address = found && safeAddress(found[1]);
    if (!address) {
      this.plain += text.slice(at, open + 1);
      return open + 1;
    }
    const label = text.slice(open + 1, closed) || found[1];
    this.push(link(address, (node) => renderInline(node, label, true)));
    return closed + 1 + found[0].length;
  }

  bareLink(at) {
    const {text} = this;
    const found = !this.inLink && !/[A-Za-z0-9]/.test(text[at - 1] ?? ' ') && matchAt(kBareLink, text, at);
    if (!found) return at;
    let address = found[0];
    let cut = address.length;
    const paired = address.includes('(');
    while (cut > 0 && /[.,;:!?'*_~\])]/.test(address[cut - 1])) {
      if (address[cut - 1] === ')' && paired) break;
      --cut;
    }
    address = address.slice(0, cut);
    const safe = safeAddress(address);
    if (!safe) return at;
    this.push(link(safe, address));
    return at + cut;
  }

  angleLink(at) {
    const found = !this.inLink && matchAt(kAngleLink, this.text, at);
    const safe = found && safeAddress(found[1]);
    if (!safe) return at;
    this.push(link(safe, found[1]));
    return at + found[0].length;
  }

  // One sign or word at `at`; returns the place behind it, or `at` when it is plain.
  special(at) {
    const {text} = this;
    switch (text[at]) {
      case '\\':
        if (text[at + 1] === '\n') return at + 1;
        if (!kEscapable.test(text[at + 1] ?? '')) return at;
        this.plain += text[at + 1];
        return at + 2;
      case '\n':
        this.plain = this.plain.trimEnd();
        this.push(el('br'));
        return at + 1;
      case '`':
        return this.code(at);
      case '*':
      case '_':
      case '~':
        return this.emphasis(at);
      case '[':
        return this.bracket(at);
      case '!':
        return text[at + 1] === '[' ? this.bracket(at) : at;
      case '<':
        return this.angleLink(at);
      case 'h':
        return this.bareLink(at);
      default:
        return at;
    }
  }

  run() {
    for (let at = 0; at < this.text.length;) {
      const next = this.special(at);
      if (next === at) this.plain += this.text[at++];
      else at = next;
    }
    this.flush();
    while (this.frames.length > 1) this.giveUpTop();
    return this.frames[0].nodes;
  }
}

/// Appends `text` to `parent`. inLink: links inside are left as text.
export function renderInline(parent, text, inLink = false) {
  const nodes = new Inline(text, inLink).run();
  for (const node of nodes) parent.append(node);
}
