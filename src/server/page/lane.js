// One device: its layers as tiles, its share of the work, its memory.

import {el, setText, svg} from './dom.js';
import {bytesText, figure, percent, t} from './words.js';

const kShortS = 1;   // over which busy share and tokens/s are taken
const kLongS = 10;   // over which planned and measured times are compared
const kSparkPoints = 60;
export const kMemoryKinds = ['weights', 'ends', 'kv', 'arena', 'fixed'];

/// What a device's memory is for: the vision tower, embedding and head as one kind.
export function memoryOf({bytes}) {
  return {weights: bytes.weights, ends: bytes.vision + bytes.embedding + bytes.head, kv: bytes.kv,
          arena: bytes.arena, fixed: bytes.fixed};
}

function memoryBar(plan) {
  const memory = memoryOf(plan);
  const free = Math.max(0, plan.budget_bytes - plan.bytes.total);
  const parts = [...Object.entries(memory), ['free', free]].filter(([, bytes]) => bytes > 0);
  const label = parts.map(([kind, bytes]) => `${t(kind)} ${bytesText(bytes)}`).join(', ');
  return el('div', {class: 'memory-bar', role: 'img', 'aria-label': `${t('memory')}: ${label}`},
            ...parts.map(([kind, bytes]) => {
              const part = el('i', {class: kind, title: `${t(kind)}: ${bytesText(bytes)}`});
              part.style.flexGrow = bytes;
              return part;
            }));
}

function tilesOf(plan) {
  const tiles = [];
  if (plan.vision) tiles.push(el('i', {class: 'tile end', title: t('vision')}));
  if (plan.embedding) tiles.push(el('i', {class: 'tile end', title: t('embedding')}));
  const layers = [];
  if (plan.layers)
    for (let layer = plan.layers[0]; layer <= plan.layers[1]; ++layer) {
      const precision = plan.precisions?.[layer - plan.layers[0]] ?? '';
      layers.push(el('i', {class: 'tile', title: `${layer} ${precision}`}));
    }
  tiles.push(...layers);
  if (plan.head) tiles.push(el('i', {class: 'tile end', title: t('head')}));
  return {tiles, layers};
}

function whatItHolds(plan) {
  const holds = [];
  if (plan.layers) holds.push(t('layers', {first: plan.layers[0], last: plan.layers[1]}));
  for (const unit of ['vision', 'embedding', 'head']) if (plan[unit]) holds.push(t(unit));
  return holds.join(' · ') || t('noStage');
}

function bar(kind) {
  const fill = el('i', {class: kind});
  const text = el('span');
  return {fill, text, node: el('div', {class: 'time-bar'}, el('span', {}, t(kind)),
                               el('span', {class: 'groove'}, fill), text)};
}

/// plan: a stage of /v1/plan, or {device_name} alone where there is no plan. stage: -1 for a device
/// without layers.
export class Lane {
  constructor(plan, stage) {
    this.plan = plan;
    this.stage = stage;
    const {tiles, layers} = tilesOf(plan);
    this.layers = layers;
    this.lit = -1;
    this.shares = [];
    this.track = el('div', {class: 'track'});
    this.busy = el('strong');
    this.through = el('strong');
    this.spark = svg('path');
    this.planned = bar('planned');
    this.measured = bar('measured');
    this.ratio = el('strong');
    this.node = el('li', {class: 'lane', 'data-stage': String(stage), 'data-busy': '0'},
        el('div', {class: 'lane-head'},
           el('h3', {}, stage < 0 ? t('noStage') : t('stage', {n: stage + 1})),
           el('span', {class: 'device-name'}, plan.device_name), el('span', {class: 'holds'}, whatItHolds(plan))),
        el('div', {class: 'tiles', 'aria-hidden': 'true'}, ...tiles),
        stage < 0 ? null : this.track,
        stage < 0 ? null : this.figures(),
        plan.bytes ? el('div', {class: 'memory'},
            el('span', {}, t('memory')), memoryBar(plan),
            el('span', {class: 'number'}, t('memoryOf', {used: bytesText(plan.bytes.total),
                                                         budget: bytesText(plan.budget_bytes)}))) : null);
  }

  figures() {
    return el('dl', {class: 'lane-figures'},
        el('div', {}, el('dt', {}, t('busy')),
           el('dd', {}, svg('svg', {class: 'spark', viewBox: `0 0 ${kSparkPoints - 1} 20`,
                                    preserveAspectRatio: 'none', 'aria-hidden': 'true'}, this.spark), this.busy)),
        el('div', {}, el('dt', {}, t('through')), el('dd', {}, this.through)),
        el('div', {class: 'times'}, el('dt', {}, t('stepTime', {seconds: kLongS})),
           el('dd', {}, el('div', {}, this.planned.node, this.measured.node), this.ratio)));
  }

  /// The device's own part of the latest moments.
  update(history, find) {
    const share = history.rate((status) => find(status)?.busy_s, kShortS);
    setText(this.busy, percent(share));
    this.node.dataset.busy = share.toFixed(2);
    setText(this.through, t('perSecond', {n: figure(history.rate((s) => find(s)?.rows, kShortS))}));
    this.drawSpark(share);
    const planned = history.growth((status) => find(status)?.planned_s, kLongS);
    const measured = history.growth((status) => find(status)?.measured_s, kLongS);
    const most = Math.max(planned, measured, 1e-9);
    for (const [{fill, text}, seconds] of [[this.planned, planned], [this.measured, measured]]) {
      fill.style.width = `${Math.round(1000 * seconds / most) / 10}%`;
      setText(text, `${seconds.toFixed(2)} s`);
    }
    setText(this.ratio, planned > 0 ? t('ratio', {n: (measured / planned).toFixed(2)}) : t('noSteps'));
  }

  drawSpark(share) {
    this.shares.push(Math.min(share, 1));
    if (this.shares.length > kSparkPoints) this.shares.shift();
    const from = kSparkPoints - this.shares.length;
    const points = this.shares.map((value, i) => `L${from + i} ${(20 - 19 * value).toFixed(1)}`);
    this.spark.setAttribute('d', `M${from} 20${points.join('')}L${kSparkPoints - 1} 20Z`);
  }

  /// What is on it now: mix 'decode', 'prefill', 'mixed' or '' (nothing). progress: how far through the
  /// layers, or null where that is not known and all of them are lit.
  light(mix, progress = null) {
    if (this.mix !== mix) this.node.dataset.mix = this.mix = mix;
    const lit = mix && progress !== null
                    ? Math.min(Math.floor(progress * this.layers.length), this.layers.length - 1) : -1;
    this.node.classList.toggle('layer-by-layer', progress !== null);
    if (lit === this.lit) return;
    this.layers[this.lit]?.classList.remove('lit');
    this.layers[lit]?.classList.add('lit');
    this.lit = lit;
  }
}
