// Makes nodes. Text goes in as text nodes, never as markup.

const kSvg = 'http://www.w3.org/2000/svg';

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (typeof value === 'function') node.addEventListener(name, value);
    else node.setAttribute(name, value === true ? '' : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

/// el('a', {href: '/', click: (event) => ...}, 'text', otherNode)
export function el(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(kSvg, tag), attributes, children);
}

export const byId = (id) => document.getElementById(id);

/// Sets the text when it differs: most figures stay as they are from one event to the next.
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

const kIcons = {
  copy: 'M9 9h10v11H9z M5 15V4h10',
  done: 'M5 12.5l4.5 4.5L19 7.5',
  again: 'M19 12a7 7 0 1 1-2.2-5.1 M19 3.5v4h-4',
  cross: 'M6 6l12 12 M18 6L6 18',
};

/// A drawn sign of 24 x 24, for beside a text or in a button that has a label.
export function icon(name) {
  return svg('svg', {class: 'icon', viewBox: '0 0 24 24', 'aria-hidden': 'true'},
             svg('path', {d: kIcons[name]}));
}

/// Copies, and shows for a moment on the button that it did.
export async function copyFrom(button, text, doneLabel) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Without TLS a browser has no clipboard for pages: the old way, by a selection.
    const area = el('textarea', {class: 'unseen', 'aria-hidden': 'true'});
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand('copy');
    area.remove();
    button.focus();
  }
  const sign = button.querySelector('svg');
  const label = button.getAttribute('aria-label');
  sign?.replaceWith(icon('done'));
  button.setAttribute('aria-label', doneLabel);
  setTimeout(() => {
    button.querySelector('svg')?.replaceWith(icon('copy'));
    button.setAttribute('aria-label', label);
  }, 1500);
}
