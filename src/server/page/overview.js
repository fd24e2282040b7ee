// The figures of the whole machine: speed, queue, cache, requests.

import {byId, el, setText} from './dom.js';
import {bytesText, count, durationText, figure, percent, t} from './words.js';

const kShortS = 2;
const kMostDots = 32;

const share = (part, whole) => (whole > 0 ? percent(part / whole) : '–');

/// Name of a place in the page -> its text.
function figuresOf(history) {
  const now = history.now();
  const perS = (counter) => figure(history.rate(counter, kShortS));
  return {
    'tokens-per-s': perS((s) => s.new_tokens), 'prompt-per-s': perS((s) => s.prompt_tokens),
    'steps-per-s': perS((s) => s.steps), 'cache-hits': share(now.cached_prompt_tokens, now.prompt_tokens),
    'running': count(now.running), 'waiting': count(now.waiting),
    'requests': count(now.requests), 'failed': count(now.failed), 'cancelled': count(now.cancelled),
    'refused': count(now.refused), 'preemptions': count(now.preemptions),
    'pictures-seen': count(now.pictures), 'picture-hits': `${count(now.cached_pictures)} (${bytesText(now.image_cache_bytes)})`,
    'uptime': durationText(now.uptime_s),
    'blocks-of': t('blocksOf', {used: count(now.kv_blocks_used), all: count(now.kv_blocks)}),
    'micro-batches': t('microBatches', {n: now.micro_batches.length}),
  };
}

function setDots(node, number) {
  const shown = Math.min(number, kMostDots);
  while (node.childNodes.length > shown) node.lastChild.remove();
  while (node.childNodes.length < shown) node.append(el('i'));
}

function setBlocks({kv_blocks, kv_blocks_used, kv_blocks_cached}) {
  const all = Math.max(kv_blocks, 1);
  const free = Math.max(0, kv_blocks - kv_blocks_used - kv_blocks_cached);
  for (const [id, blocks] of [['used', kv_blocks_used], ['cached', kv_blocks_cached], ['free', free]]) {
    byId(`blocks-${id}`).style.width = `${(100 * blocks / all).toFixed(2)}%`;
    setText(byId(`blocks-${id}-number`), count(blocks));
  }
}

export function showOverview(history) {
  for (const [id, text] of Object.entries(figuresOf(history))) setText(byId(id), text);
  const now = history.now();
  setDots(byId('running-dots'), now.running);
  setDots(byId('waiting-dots'), now.waiting);
  setBlocks(now);
}
