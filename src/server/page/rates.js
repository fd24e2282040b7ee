// Rates from counters: the server tells what has happened since it began, and two such moments tell
// how fast it goes.

const kKeptS = 10;

/// The server's moments of the last seconds.
export class History {
  constructor() {
    this.moments = [];
  }

  add(status) {
    const last = this.moments.at(-1);
    if (last && status.steps < last.steps) this.moments = [];  // it was started anew
    while (this.moments.length && this.now().uptime_s >= status.uptime_s) this.moments.pop();
    this.moments.push(status);
    while (status.uptime_s - this.moments[0].uptime_s > kKeptS) this.moments.shift();
  }

  now() {
    return this.moments.at(-1);
  }

  // The latest moment at least `seconds` old, or the oldest there is.
  before(seconds) {
    const until = this.now().uptime_s - seconds;
    return this.moments.findLast((moment) => moment.uptime_s <= until) ?? this.moments[0];
  }

  span(seconds) {
    return this.now().uptime_s - this.before(seconds).uptime_s;
  }

  /// What a counter has grown by. `counter` reads it from a status.
  growth(counter, seconds) {
    return Math.max(0, (counter(this.now()) ?? 0) - (counter(this.before(seconds)) ?? 0));
  }

  rate(counter, seconds) {
    const span = this.span(seconds);
    return span > 0 ? this.growth(counter, seconds) / span : 0;
  }
}
