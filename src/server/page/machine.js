// The live view: what each device does now, from the plan and the stream of events.

import {getJson} from './api.js';
import {Capsules} from './capsules.js';
import {byId, el, setText} from './dom.js';
import {explainingCharts} from './explain.js';
import {Feed} from './feed.js';
import {kMemoryKinds, Lane} from './lane.js';
import {showOverview} from './overview.js';
import {History} from './rates.js';
import {kWorthSlowingS, SlowMotion} from './slow_motion.js';
import {recall, remember} from './store.js';
import {count, t} from './words.js';

const kQuietMs = 1200;  // without an event: nothing happens, and rates must fall
const stillWanted = matchMedia('(prefers-reduced-motion: reduce)');

export class Machine {
  constructor() {
    this.history = new History();
    this.plan = null;
    this.planError = '';
    this.lanes = [];
    this.capsules = new Capsules(byId('capsules'));
    this.slow = new SlowMotion();
    this.frame = 0;
    this.state = 'paused';
    this.feed = new Feed({onStatus: (status) => this.update(status),
                          onState: (state) => this.showState(state)});
    for (const mode of ['live', 'slow'])
      byId(`motion-${mode}`).addEventListener('click', () => {
        remember('motion', mode);
        this.showMotion();
      });
    new ResizeObserver(() => {
      this.capsules.measure();
      this.capsules.place();
      this.startDrawing();
    }).observe(byId('pipeline'));
    setInterval(() => this.passQuietly(), 1000);
    this.words();
  }

  /// In the language chosen.
  words() {
    byId('charts').replaceChildren(...explainingCharts());
    byId('legend').replaceChildren(...[...kMemoryKinds, 'free'].map(
        (kind) => el('li', {}, el('i', {class: kind}), t(kind))));
    this.build();
    this.showState(this.state);
  }

  /// Whether the machine is on the screen.
  want(wanted) {
    this.wanted = wanted;
    this.feed.want(wanted);
    if (wanted && !this.plan) this.loadPlan();
    if (wanted) this.startDrawing();
  }

  /// The key has changed.
  restart() {
    this.loadPlan();
    this.feed.restart();
  }

  async loadPlan() {
    this.planError = '';
    try {
      this.plan = await getJson('/v1/plan');
    } catch (error) {
      this.planError = t('planMissing', {why: error.message});
    }
    setText(byId('plan-error'), this.planError);
    this.build();
  }

  // From the plan, or where there is none from the devices' own reports.
  build() {
    const devices = this.history.now()?.devices ?? [];
    const stages = this.plan ? [...this.plan.stages.map((stage, i) => [stage, i]),
                                ...this.plan.side_devices.map((stage) => [stage, -1])]
                             : devices.map(({name, stage}) => [{device_name: name}, stage]);
    this.lanes = stages.map(([plan, stage]) => new Lane(plan, stage));
    byId('lanes').replaceChildren(...this.lanes.map((lane) => lane.node));
    byId('legend').hidden = !this.plan;
    this.capsules.setLanes(this.lanes);
    if (this.history.now()) this.draw();
  }

  showState(state) {
    this.state = state;
    const status = this.history.now();
    const name = state === 'live' && status && !status.ready ? 'notReady' : state;
    const node = byId('machine-state');
    node.dataset.state = name;
    setText(node, t(name));
    node.title = name === 'notReady' ? status.why_not : '';
    setText(byId('why-not'), name === 'notReady' ? status.why_not : '');
  }

  update(status) {
    this.heardAt = performance.now();
    this.history.add(status);
    if (this.lanes.length === 0 && status.devices.length) this.build();
    this.draw();
    if (!status.ready || byId('machine-state').dataset.state === 'notReady') this.showState('live');
  }

  // The server is silent while nothing changes.
  passQuietly() {
    const now = performance.now();
    const last = this.history.now();
    if (this.state !== 'live' || !last || now - this.heardAt < kQuietMs) return;
    this.history.add({...last, uptime_s: last.uptime_s + (now - (this.quietAt ?? this.heardAt)) / 1000});
    this.quietAt = now;
    this.draw();
  }

  draw() {
    if (performance.now() - this.heardAt < kQuietMs) this.quietAt = undefined;
    showOverview(this.history);
    for (const lane of this.lanes)
      if (lane.stage >= 0)
        lane.update(this.history, (status) => status.devices.find(({stage}) => stage === lane.stage));
    this.setSlowTimes();
    this.showMotion();
    this.startDrawing();
  }

  // What a step takes on each stage: measured over the last seconds.
  setSlowTimes() {
    const stages = this.lanes.filter(({stage}) => stage >= 0).map(({stage}) => {
      const of = (status) => status.devices.find((device) => device.stage === stage);
      const steps = this.history.growth((status) => of(status)?.steps, 5);
      return steps ? this.history.growth((status) => of(status)?.busy_s, 5) / steps : 0;
    });
    const latest = this.history.now().micro_batches;
    // The number on the way changes from moment to moment; the most of the last second counts.
    const recent = this.history.moments.filter(({uptime_s}) => uptime_s > this.history.now().uptime_s - 1);
    const most = recent.map(({micro_batches}) => micro_batches)
                     .reduce((a, b) => (b.length > a.length ? b : a), latest);
    this.slow.setTimes(stages, most);
  }

  isSlow() {
    const chosen = recall('motion');
    if (chosen) return chosen === 'slow';
    return !stillWanted.matches && Math.max(0, ...this.slow.stage_s ?? []) < kWorthSlowingS;
  }

  showMotion() {
    const slow = this.isSlow();
    byId('motion-live').setAttribute('aria-pressed', String(!slow));
    byId('motion-slow').setAttribute('aria-pressed', String(slow));
    const any = this.history.now()?.micro_batches.length || (slow && this.slow.walkers.length);
    setText(byId('motion-note'), !any ? t('nothing')
        : slow ? t('slowed', {factor: count(Math.max(1, this.slow.factor))}) : t('liveShown'));
  }

  startDrawing() {
    if (this.frame || !this.wanted) return;
    let last = performance.now();
    const step = (now) => {
      this.frame = 0;
      if (!this.wanted || !this.history.now()) return;
      const passed = Math.min(now - last, 100);
      last = now;
      const slow = this.isSlow();
      const batches = slow ? this.slow.pass(passed / 1000).map(
                                 (walker) => ({...walker, progress: 1 - Math.max(walker.left, 0)}))
                           : this.history.now().micro_batches;
      if (slow || this.drawn !== batches) this.capsules.show(batches);
      this.drawn = batches;
      const moving = this.capsules.draw(passed, stillWanted.matches);
      if (moving || (slow && batches.length)) this.frame = requestAnimationFrame(step);
    };
    this.frame = requestAnimationFrame(step);
  }
}
