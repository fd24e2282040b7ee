// Pictures on their way to the model: read, scaled down where they are very large, and turned into
// data: URLs, the form in which a request carries them.

import {t} from './words.js';

const kMaxSide = 4096;                 // pixels; the vision tower sees a few hundred
const kMaxBytes = 3 * 1024 * 1024;     // of one file; the server reads 64 MiB of all turns' together
const kReadByServer = ['image/jpeg', 'image/png', 'image/webp', 'image/gif'];
const kJpegQualities = [0.92, 0.8, 0.6];  // the first that is small enough
export const kMaxPictures = 8;

function dataUrlOf(blob) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(blob);
  });
}

async function toJpeg(bitmap, width, height) {
  const canvas = document.createElement('canvas');
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext('2d');
  context.fillStyle = '#fff';  // behind what is transparent, which JPEG does not know
  context.fillRect(0, 0, width, height);
  context.imageSmoothingQuality = 'high';
  context.drawImage(bitmap, 0, 0, width, height);
  let blob = null;
  for (const quality of kJpegQualities) {
    blob = await new Promise((resolve) => canvas.toBlob(resolve, 'image/jpeg', quality));
    if (blob.size <= kMaxBytes) break;
  }
  return blob;
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
    blob = await toJpeg(bitmap, width, height);
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
