// The stream of /v1/events: opened while someone looks, closed when nobody does, opened again when it
// breaks, after a pause that grows.

import {eventData, request} from './api.js';

const kFirstPauseMs = 500;
const kLongestPauseMs = 10000;

export class Feed {
  /// onStatus(status): an EngineStatus. onState(name): connecting, live, lost, noKey, paused.
  constructor({onStatus, onState}) {
    this.onStatus = onStatus;
    this.onState = onState;
    this.abort = null;
    this.wanted = false;
    document.addEventListener('visibilitychange', () => this.update());
    addEventListener('online', () => this.restart());
  }

  /// Whether the machine is on the screen at all.
  want(wanted) {
    this.wanted = wanted;
    this.update();
  }

  restart() {
    this.abort?.abort();
    this.abort = null;
    this.update();
  }

  update() {
    const open = this.wanted && document.visibilityState === 'visible';
    if (open && !this.abort) this.run(this.abort = new AbortController());
    if (open || !this.abort) return;
    this.abort.abort();
    this.abort = null;
    this.onState('paused');
  }

  async run({signal}) {
    for (let pauseMs = kFirstPauseMs; !signal.aborted;) {
      this.onState('connecting');
      try {
        const response = await request('/v1/events', {signal});
        for await (const data of eventData(response)) {
          if (signal.aborted) return;
          pauseMs = kFirstPauseMs;
          this.onState('live');
          this.onStatus(JSON.parse(data));
        }
      } catch (error) {
        if (signal.aborted) return;
        if (error.status === 401 || error.status === 403) {
          this.onState('noKey');
          return;  // until there is another key: restart()
        }
      }
      if (signal.aborted) return;
      this.onState('lost');
      await new Promise((resolve) => setTimeout(resolve, pauseMs * (0.75 + Math.random() / 2)));
      pauseMs = Math.min(2 * pauseMs, kLongestPauseMs);
    }
  }
}
