// Two small charts of who works when: one request at a time, and micro-batches behind one another.

import {svg} from './dom.js';
import {t} from './words.js';

const kDevices = 3;
const kSlots = 12;
const kRow = 20;
const kLeft = 66;
const kWidth = 20;

// on(device, slot) says whose work it is: 0, 1, ... or -1 for none.
function chart(title, on) {
  const height = kDevices * kRow;
  const node = svg('svg', {viewBox: `0 0 ${kLeft + kSlots * kWidth + 4} ${height + 40}`, role: 'img',
                           'aria-label': title, class: 'chart'},
                   svg('text', {x: 0, y: 12, class: 'chart-title'}, title));
  for (let device = 0; device < kDevices; ++device) {
    const y = 22 + device * kRow;
    node.append(svg('text', {x: 0, y: y + 13}, t('deviceN', {n: device + 1})));
    for (let slot = 0; slot < kSlots; ++slot) {
      const who = on(device, slot);
      node.append(svg('rect', {x: kLeft + slot * kWidth, y, width: kWidth - 2, height: kRow - 4, rx: 3,
                               class: who < 0 ? 'idle' : `work work-${who}`}));
      if (who >= 0)
        node.append(svg('text', {x: kLeft + slot * kWidth + (kWidth - 2) / 2, y: y + 12, class: 'who'},
                        String.fromCharCode(65 + who)));
    }
  }
  node.append(svg('text', {x: kLeft + kSlots * kWidth, y: height + 36, class: 'axis'}, `${t('time')} →`));
  return node;
}

/// Both, for the place that explains the picture.
export function explainingCharts() {
  const alone = chart(t('oneAtATime'), (device, slot) => (slot % kDevices === device ? 0 : -1));
  // Device d gets its first work d slots later; from then on it always has some.
  const together = chart(t('inFlight'), (device, slot) => (slot >= device ? (slot - device) % 4 : -1));
  return [alone, together];
}
