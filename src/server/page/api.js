// Talks to the server: requests with the key, errors a person can read, server-sent events.

import {recallKey} from './store.js';
import {t} from './words.js';

/// What went wrong, in words. `parts`: where, what, expected, found and hint, where the server says.
export class ApiError extends Error {
  constructor(message, {status = 0, retryAfterS = 0, parts = {}} = {}) {
    super(message);
    this.status = status;
    this.retryAfterS = retryAfterS;
    this.parts = parts;
  }
}

/// From {"error": {...}} in OpenAI's shape; `fallback` when there is no message in it.
export function errorFrom(body, fallback, status = 0, retryAfterS = 0) {
  const error = body?.error ?? {};
  const parts = {};
  for (const name of ['where', 'what', 'expected', 'found', 'hint'])
    if (typeof error[name] === 'string' && error[name] !== '') parts[name] = error[name];
  const message = typeof error.message === 'string' && error.message ? error.message : fallback;
  return new ApiError(message, {status, retryAfterS, parts});
}

// Retry-After is seconds or a date.
function secondsOf(retryAfter) {
  if (!retryAfter) return 0;
  const seconds = /^\d+$/.test(retryAfter) ? Number(retryAfter)
                                           : (Date.parse(retryAfter) - Date.now()) / 1000;
  return seconds > 0 ? Math.min(Math.ceil(seconds), 3600) : 0;
}

const kMeaning = {401: 'errorKey', 403: 'errorKey', 413: 'errorTooLarge', 429: 'errorBusy',
                  500: 'errorServer', 503: 'errorNotReady'};

/// The response, its body unread; throws ApiError unless the server agreed, and AbortError as fetch.
export async function request(path, {body, signal} = {}) {
  const headers = {};
  const key = recallKey();
  if (key) headers.Authorization = `Bearer ${key}`;
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  let response;
  try {
    response = await fetch(path, {method: body === undefined ? 'GET' : 'POST', headers, signal,
                                  body: body === undefined ? undefined : JSON.stringify(body),
                                  cache: 'no-store'});
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new ApiError(t('errorUnreachable'));
  }
  if (response.ok) return response;
  const fallback = t(kMeaning[response.status] ?? 'errorStatus', {status: response.status});
  const answer = await response.json().catch(() => null);
  throw errorFrom(answer, fallback, response.status,
                  secondsOf(response.headers.get('Retry-After')));
}

export async function getJson(path, signal) {
  return (await request(path, {signal})).json();
}

/// The data of each server-sent event of a response. EventSource would do this too, but cannot send
/// a key.
export async function* eventData(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  let data = [];
  try {
    for (;;) {
      const {value, done} = await reader.read();
      if (done) return;
      const lines = (rest + value).split(/\r\n|\n|\r/);
      rest = lines.pop();
      for (const line of lines) {
        if (line === '') {
          if (data.length) yield data.join('\n');
          data = [];
        } else if (line.startsWith('data:')) {
          data.push(line.slice(line[5] === ' ' ? 6 : 5));
        }
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}
