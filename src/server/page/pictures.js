// Pictures on their way to the model: read, scaled down where they are very large, and turned into
// data: URLs, the form in which a request carries them.

import {t} from './words.js';

const kMaxSide = 4096;                 // pixels; the vision tower sees a few hundred
const kMaxBytes = 6 * 1024 * 1024;     // of one file as it is; larger ones become JPEG
const kReadByServer = ['image/jpeg', 'image/png', 'image/webp', 'image/gif'];
const kJpegQuality = 0.92;
export const kMaxPictures = 8;

function dataUrlOf(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(blob);
  });
}

function redraw(bitmap, width, height, type) {
  const canvas = document.createElement('canvas');
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext('2d');
  if (type === 'image/jpeg') {  // which knows no transparency
    context.fillStyle = '#fff';
    context.fillRect(0, 0, width, height);
  }
  context.imageSmoothingQuality = 'high';
  context.drawImage(bitmap, 0, 0, width, height);
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error('no blob'))), type,
                  kJpegQuality);
  });
}

/// {name, url, note, width, height}: `url` is a data: URL, `note` says what was done to the picture,
/// if anything. Throws an Error in words when the file is no picture.
export async function preparePicture(file) {
  const name = file.name || 'picture';
  let bitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    throw new Error(t('notPicture', {name}));
  }
  const from = {width: bitmap.width, height: bitmap.height};
  const scale = Math.min(1, kMaxSide / Math.max(from.width, from.height));
  const width = Math.max(1, Math.round(from.width * scale));
  const height = Math.max(1, Math.round(from.height * scale));
  const known = kReadByServer.includes(file.type);
  let blob = file;
  let note = '';
  if (scale < 1 || !known || file.size > kMaxBytes) {
    blob = await redraw(bitmap, width, height, 'image/jpeg');
    note = scale < 1 ? t('scaled', {from: `${from.width} × ${from.height}`,
                                    to: `${width} × ${height}`})
                     : t('converted', {kind: 'JPEG'});
  }
  bitmap.close();
  return {name, url: await dataUrlOf(blob), note, width, height};
}

/// The pictures among what was dropped or pasted.
export function picturesIn(transfer) {
  return [...(transfer?.files ?? [])].filter((file) => file.type.startsWith('image/'));
}
