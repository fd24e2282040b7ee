// Markdown into nodes: the part of CommonMark and of GitHub's tables that models write. Own code,
// because it is small so and builds nodes only: there is no string of markup anywhere.

import {copyFrom, el, icon} from './dom.js';
import {renderInline} from './inline.js';
import {t} from './words.js';

const kMaxDepth = 12;  // quotes and lists in one another; deeper ones are text
const kFence = /^ {0,3}(`{3,}|~{3,})[ \t]*([^`\n]*)$/;
const kHeading = /^ {0,3}(#{1,6})(?=[ \t]|$)/;
const kRule = /^ {0,3}([-*_])[ \t]*(?:\1[ \t]*){2,}$/;
const kQuote = /^ {0,3}> ?/;
const kItem = /^( *)([-*+]|\d{1,9}[.)])( +|$)/;
const kTask = /^\[([ xX])\] /;

const isBlank = (line) => line.trim() === '';
const indentOf = (line) => line.length - line.trimStart().length;

function cellsOf(line) {
  const cells = [];
  let cell = '';
  const inner = line.trim().replace(/^\|/, '');
  for (let i = 0; i < inner.length; ++i) {
    if (inner[i] === '\\' && inner[i + 1] === '|') cell += inner[++i];
    else if (inner[i] === '|') cells.push(cell.trim()), cell = '';
    else cell += inner[i];
  }
  if (cell.trim() !== '') cells.push(cell.trim());
  return cells;
}

function isTable(lines, i) {
  if (!lines[i].includes('|') || i + 1 >= lines.length || !lines[i + 1].includes('-')) return false;
  const rule = cellsOf(lines[i + 1]);
  return rule.length > 0 && rule.length === cellsOf(lines[i]).length &&
         rule.every((cell) => /^:?-+:?$/.test(cell));
}

function beginsBlock(lines, i) {
  const line = lines[i];
  return kFence.test(line) || kHeading.test(line) || kRule.test(line) || kQuote.test(line) ||
         kItem.test(line) || isTable(lines, i);
}

// Each taker returns the line behind the block that begins at line i.

function endOfFence(lines, i) {
  const [, fence] = kFence.exec(lines[i]);
  for (let end = i + 1; end < lines.length; ++end) {
    const line = lines[end].trim();
    if (line.length >= fence.length && line === fence[0].repeat(line.length)) return end + 1;
  }
  return lines.length;  // not closed yet: the answer is still on its way
}

function endOfQuote(lines, i) {
  while (i < lines.length && kQuote.test(lines[i])) ++i;
  return i;
}

function endOfList(lines, i) {
  const base = indentOf(lines[i]);
  const ordered = /\d/.test(kItem.exec(lines[i])[2]);
  let content = base + 2;
  let end = i;
  for (; end < lines.length; ++end) {
    const line = lines[end];
    if (isBlank(line)) continue;
    const item = kItem.exec(line);
    if (indentOf(line) >= content && end > i) continue;
    if (item && !kRule.test(line) && /\d/.test(item[2]) === ordered && item[1].length >= base) {
      content = item[1].length + item[2].length + 1;
      continue;
    }
    if (isBlank(lines[end - 1]) || beginsBlock(lines, end)) break;  // else: the item goes on
  }
  while (end > i + 1 && isBlank(lines[end - 1])) --end;
  return end;
}

function endOfTable(lines, i) {
  i += 2;
  while (i < lines.length && lines[i].includes('|') && !isBlank(lines[i])) ++i;
  return i;
}

function endOfText(lines, i) {
  ++i;
  while (i < lines.length && !isBlank(lines[i]) && !beginsBlock(lines, i)) ++i;
  return i;
}

function kindAt(lines, i) {
  const line = lines[i];
  if (kFence.test(line)) return 'fence';
  if (kHeading.test(line)) return 'heading';
  if (kRule.test(line)) return 'rule';
  if (kQuote.test(line)) return 'quote';
  if (kItem.test(line)) return 'list';
  return isTable(lines, i) ? 'table' : 'text';
}

const kEnd = {fence: endOfFence, heading: (_, i) => i + 1, rule: (_, i) => i + 1, quote: endOfQuote,
              list: endOfList, table: endOfTable, text: endOfText};

/// [{kind, lines}], in order.
function blocksOf(lines) {
  const blocks = [];
  for (let i = 0; i < lines.length;) {
    if (isBlank(lines[i])) {
      ++i;
      continue;
    }
    const kind = kindAt(lines, i);
    const end = kEnd[kind](lines, i);
    blocks.push({kind, lines: lines.slice(i, end)});
    i = end;
  }
  return blocks;
}

function fence({lines}) {
  const [, sign, language] = kFence.exec(lines[0]);
  const last = lines[lines.length - 1].trim();
  const closed = lines.length > 1 && last.length >= sign.length &&
                 last === sign[0].repeat(last.length);
  const indent = indentOf(lines[0]);
  const text = lines.slice(1, closed ? -1 : undefined)
                   .map((line) => line.slice(Math.min(indent, indentOf(line)))).join('\n');
  const button = el('button', {class: 'quiet', type: 'button', 'aria-label': t('copyCode'),
                               click: () => copyFrom(button, text, t('copied'))}, icon('copy'));
  return el('figure', {class: 'code'},
            el('figcaption', {}, el('span', {}, language.trim().split(/\s/)[0]), button),
            el('pre', {tabindex: '0'}, el('code', {}, text)));
}

function heading({lines}) {
  const sign = kHeading.exec(lines[0])[1];
  let text = lines[0].trim().slice(sign.length).trim();
  while (text.endsWith('#')) text = text.slice(0, -1);
  // The page has h1 and h2 of its own; an answer begins below them.
  const node = el(`h${Math.min(sign.length + 2, 6)}`);
  renderInline(node, text.trim());
  return node;
}

function quote({lines}, depth) {
  const node = el('blockquote');
  renderBlocks(node, lines.map((line) => line.replace(kQuote, '')), depth + 1);
  return node;
}

function list({lines}, depth) {
  const first = kItem.exec(lines[0]);
  const ordered = /\d/.test(first[2]);
  const node = el(ordered ? 'ol' : 'ul',
                  {start: ordered && parseInt(first[2], 10) !== 1 && parseInt(first[2], 10)});
  let item = null;
  let content = 0;
  const items = [];
  for (const line of lines) {
    const begin = kItem.exec(line);
    if (begin && (!item || begin[1].length < content)) {
      content = begin[1].length + begin[2].length + Math.min(Math.max(begin[3].length, 1), 4);
      items.push(item = [line.slice(begin[0].length)]);
    } else {
      item.push(line.slice(Math.min(content, indentOf(line))));
    }
  }
  const loose = lines.some(isBlank);
  for (const inner of items) node.append(listItem(inner, loose, depth));
  return node;
}

function listItem(lines, loose, depth) {
  const node = el('li');
  const task = kTask.exec(lines[0]);
  if (task) {
    node.className = 'task';
    node.append(el('span', {class: 'box', role: 'img',
                            'aria-label': t(task[1] === ' ' ? 'taskOpen' : 'taskDone')},
                   task[1] === ' ' ? '☐' : '☑'));
    lines[0] = lines[0].slice(4);
  }
  renderBlocks(node, lines, depth + 1);
  if (!loose)  // a short list has its texts without the room of paragraphs
    for (const paragraph of node.querySelectorAll(':scope > p'))
      paragraph.replaceWith(...paragraph.childNodes);
  return node;
}

function table({lines}) {
  const rule = cellsOf(lines[1]);
  const side = (cell) => (cell.endsWith(':') ? (cell.startsWith(':') ? 'middle' : 'end') : null);
  const row = (line, tag) => {
    const cells = cellsOf(line);
    return el('tr', {}, ...rule.map((cell, column) => {
      const node = el(tag, {class: side(cell), scope: tag === 'th' && 'col'});
      renderInline(node, cells[column] ?? '');
      return node;
    }));
  };
  return el('div', {class: 'table', tabindex: '0', role: 'group', 'aria-label': t('table')},
            el('table', {}, el('thead', {}, row(lines[0], 'th')),
               el('tbody', {}, ...lines.slice(2).map((line) => row(line, 'td')))));
}

function text({lines}) {
  const node = el('p');
  renderInline(node, lines.map((line) => line.trimStart()).join('\n').trimEnd());
  return node;
}

const kRender = {fence, heading, rule: () => el('hr'), quote, list, table, text};

function render(block, depth) {
  return (depth >= kMaxDepth ? text : kRender[block.kind])(block, depth);
}

function renderBlocks(parent, lines, depth) {
  for (const block of blocksOf(lines)) parent.append(render(block, depth));
}

const linesOf = (source) => source.replaceAll('\0', '').replace(/\r\n?/g, '\n').split('\n')
                                .map((line) => line.replaceAll('\t', '    '));

/// An answer that grows: set() again and again costs only the blocks that changed.
export class MarkdownView {
  constructor(node) {
    this.node = node;
    this.sources = [];
  }

  set(source) {
    const blocks = blocksOf(linesOf(source));
    let same = 0;
    const sources = blocks.map(({kind, lines}) => `${kind}\n${lines.join('\n')}`);
    while (same < sources.length && sources[same] === this.sources[same]) ++same;
    while (this.node.childNodes.length > same) this.node.lastChild.remove();
    for (let i = same; i < blocks.length; ++i) this.node.append(render(blocks[i], 0));
    this.sources = sources;
  }
}
