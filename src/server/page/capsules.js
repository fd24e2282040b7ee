// Micro-batches as capsules that glide through the lanes.

import {el, setText} from './dom.js';
import {count, t} from './words.js';

const kMostDots = 6;
const kGap = 8;
const kGlideMs = 70;  // to come 63 % closer to its place

export const mixOf = ({decode_rows, prefill_rows}) =>
    decode_rows && prefill_rows ? 'mixed' : prefill_rows ? 'prefill' : 'decode';

class Capsule {
  constructor() {
    this.dots = el('span', {class: 'dots'}, ...Array.from({length: kMostDots}, () => el('i')));
    this.decodes = el('b');
    this.block = el('i', {class: 'block'});
    this.prefill = el('b');
    this.node = el('li', {class: 'capsule'}, this.dots, this.decodes, this.block, this.prefill);
    this.at = null;
  }

  carry(batch) {
    this.batch = batch;
    const {id, stage, decode_rows, prefill_rows} = batch;
    this.node.dataset.stage = stage;
    if (this.id === id && this.decodesNow === decode_rows && this.prefillNow === prefill_rows) return;
    Object.assign(this, {id, decodesNow: decode_rows, prefillNow: prefill_rows, width: 0});
    this.node.dataset.mix = mixOf(batch);
    this.node.title = t('capsule', {id, decodes: count(decode_rows), prefill: count(prefill_rows)});
    [...this.dots.children].forEach((dot, i) => (dot.hidden = i >= decode_rows));
    this.dots.hidden = !decode_rows;
    setText(this.decodes, decode_rows ? count(decode_rows) : '');
    this.block.hidden = !prefill_rows;
    setText(this.prefill, prefill_rows ? count(prefill_rows) : '');
  }
}

export class Capsules {
  /// list: laid over the lanes, which are its siblings.
  constructor(list) {
    this.list = list;
    this.lanes = [];
    this.shown = [];
    this.tracks = [];
  }

  setLanes(lanes) {
    this.lanes = lanes.filter((lane) => lane.stage >= 0);
    this.measure();
  }

  /// After the page's layout has changed. Not asked for in each frame: that would lay it out anew.
  measure() {
    const origin = this.list.getBoundingClientRect();
    this.tracks = this.lanes.map((lane) => {
      const box = lane.track.getBoundingClientRect();
      return {x: box.left - origin.left, y: box.top - origin.top, width: box.width};
    });
  }

  /// batches: {id, stage, decode_rows, prefill_rows} and, where known, progress from 0 to 1.
  show(batches) {
    const free = [...this.shown];
    const take = (fits) => {
      const i = free.findIndex(fits);
      return i < 0 ? null : free.splice(i, 1)[0];
    };
    const taken = batches.map((batch) => take((capsule) => capsule.id === batch.id));
    // Others have left and come between two moments: whoever is nearest takes their place.
    this.shown = batches.map((batch, i) => {
      const capsule = taken[i] ?? take((other) => other.batch.stage === batch.stage) ??
                      take(() => true) ?? new Capsule();
      capsule.carry(batch);
      if (!capsule.node.parentNode) this.list.append(capsule.node);
      return capsule;
    });
    for (const capsule of free) capsule.node.remove();
    this.place();
    this.lightLanes();
  }

  place() {
    const queues = this.tracks.map(() => 0);
    for (const capsule of this.shown) {
      const {stage, progress} = capsule.batch;
      const track = this.tracks[stage];
      capsule.node.hidden = !track;
      if (!track) continue;
      capsule.width ||= capsule.node.offsetWidth;
      const room = Math.max(0, track.width - capsule.width);
      const waiting = queues[stage]++;
      // The one at work glides along the track; those that wait stand at its begin.
      const along = progress !== undefined && waiting === 0 ? progress * room
                    : progress !== undefined ? (waiting - 1) * 14
                                             : Math.min(waiting * (capsule.width + kGap), room);
      capsule.target = {x: track.x + along, y: track.y + (progress !== undefined && waiting ? 3 : 0)};
    }
  }

  lightLanes() {
    for (const lane of this.lanes) {
      const first = this.shown.find(({batch}) => batch.stage === lane.stage)?.batch;
      lane.light(first ? mixOf(first) : '', first?.progress ?? null);
    }
  }

  /// One frame. still: without gliding. Returns whether anything moves on.
  draw(passedMs, still) {
    const part = still ? 1 : 1 - Math.exp(-passedMs / kGlideMs);
    let moving = false;
    for (const capsule of this.shown) {
      const {target} = capsule;
      if (!target) continue;
      const at = capsule.at ?? {x: target.x - 24, y: target.y};
      at.x += (target.x - at.x) * part;
      at.y += (target.y - at.y) * part;
      moving ||= Math.abs(target.x - at.x) + Math.abs(target.y - at.y) > 0.3;
      capsule.at = at;
      capsule.node.style.transform = `translate(${at.x.toFixed(1)}px, ${at.y.toFixed(1)}px)`;
    }
    return moving;
  }
}
