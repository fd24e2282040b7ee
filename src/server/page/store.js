// What the page remembers. Storage can be off or full: then it is remembered until the page closes.

const memory = new Map();

function read(storage, name) {
  try {
    return storage().getItem(`tessera.${name}`) ?? memory.get(name) ?? null;
  } catch {
    return memory.get(name) ?? null;
  }
}

function write(storage, name, value) {
  memory.set(name, value);
  try {
    if (value === '') storage().removeItem(`tessera.${name}`);
    else storage().setItem(`tessera.${name}`, value);
  } catch {
    // Kept in memory.
  }
}

const local = () => localStorage;
const session = () => sessionStorage;

export const recall = (name) => read(local, name);
export const remember = (name, value) => write(local, name, value);

/// The key is kept by this tab alone and forgotten with it.
export const recallKey = () => read(session, 'key') ?? '';
export const rememberKey = (key) => write(session, 'key', key);
