import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { REPOSITORY_ROOT } from '../accuracy/manifest.ts';

const BYTES_A_SECOND = 32_000;
const HEADER_BYTES = 44;

/** Speech from the repository's own fixture (11 s, 16 kHz mono), cut or said again and again to the length wanted. */
export function speechRecording(seconds: number): Buffer {
  const wav = readFileSync(join(REPOSITORY_ROOT, 'test/fixtures/audio/jfk.wav'));
  const data = wav.indexOf('data', 12, 'latin1');
  const speech = wav.subarray(data + 8, data + 8 + wav.readUInt32LE(data + 4));
  const bytes = Math.round(seconds * 16_000) * 2;
  const file = Buffer.alloc(HEADER_BYTES + bytes);
  file.write('RIFF', 0, 'latin1');
  file.writeUInt32LE(HEADER_BYTES - 8 + bytes, 4);
  file.write('WAVEfmt ', 8, 'latin1');
  file.writeUInt32LE(16, 16);
  file.writeUInt16LE(1, 20);
  file.writeUInt16LE(1, 22);
  file.writeUInt32LE(16_000, 24);
  file.writeUInt32LE(BYTES_A_SECOND, 28);
  file.writeUInt16LE(2, 32);
  file.writeUInt16LE(16, 34);
  file.write('data', 36, 'latin1');
  file.writeUInt32LE(bytes, 40);
  for (let at = HEADER_BYTES; at < file.length; at += speech.length) speech.copy(file, at);
  return file;
}
