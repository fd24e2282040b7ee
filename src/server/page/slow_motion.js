// Micro-batches pass a stage in milliseconds, too fast for the eye and for ten pictures a second. Slow
// motion walks as many of them as are on their way through stages that take as long as measured,
// so many times slower. What each carries is what one of the latest carried.

const kSlowestStageS = 0.9;  // on the screen
export const kWorthSlowingS = 0.2;

export class SlowMotion {
  constructor() {
    this.walkers = [];  // {id, stage, left: of its stage's work, 0 to 1, decode_rows, prefill_rows}
    this.factor = 1;
    this.nextId = 0;
  }

  /// stage_s: what a step takes on each stage. carried: the latest micro-batches.
  setTimes(stage_s, carried) {
    this.stage_s = stage_s;
    this.factor = kSlowestStageS / Math.max(...stage_s, 1e-6);
    this.carried = carried;
    while (this.walkers.length > carried.length) this.walkers.pop();
    // Those that join begin where the real ones are.
    while (this.walkers.length < carried.length)
      this.walkers.push(Object.assign(this.enter({}), {stage: carried[this.walkers.length].stage}));
  }

  enter(walker) {
    const {decode_rows, prefill_rows} = this.carried[this.nextId % this.carried.length];
    return Object.assign(walker, {id: this.nextId++, stage: 0, left: 1, decode_rows, prefill_rows});
  }

  /// Lets `seconds` of the screen's time pass. The first in each stage is worked on, others wait.
  pass(seconds) {
    const working = new Set();
    for (const walker of [...this.walkers]) {
      if (working.has(walker.stage)) continue;
      working.add(walker.stage);
      walker.left -= seconds / Math.max(this.stage_s[walker.stage] * this.factor, 0.05);
      if (walker.left > 0) continue;
      // Behind all others: whoever waits at the next stage is older.
      this.walkers.splice(this.walkers.indexOf(walker), 1);
      this.walkers.push(walker);
      working.add(walker.stage + 1);
      if (walker.stage + 1 < this.stage_s.length) Object.assign(walker, {left: 1, stage: walker.stage + 1});
      else this.enter(walker);
    }
    return this.walkers;
  }
}
