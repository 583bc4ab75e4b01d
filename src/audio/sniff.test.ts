import { mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  CONTAINERS,
  convertWithFfmpeg,
  fixturePath,
  randomNumbers,
  runFfmpeg,
} from '../../test/support/audio-fixtures.ts';
import { type Container, DEMUXERS, sniff, sniffFile } from './sniff.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'steno-sniff-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function sniffPath(path: string): Promise<Container | undefined> {
  const file = await open(path);
  return sniffFile(file).finally(() => file.close());
}

const EXPECTED = {
  flac: 'flac',
  mp3: 'mp3',
  mpga: 'mp3',
  mpeg: 'mpeg-ps',
  mp4: 'mp4',
  m4a: 'mp4',
  ogg: 'ogg',
  oga: 'ogg',
  wav: 'wav',
  webm: 'matroska',
} as const;

describe('sniffFile', () => {
  it.each(CONTAINERS)('knows real %s files by their content', async (container) => {
    const path = join(folder, `misnamed-${container}.txt`);
    await convertWithFfmpeg(fixturePath('jfk.wav'), container, path, ['-t', '1']);
    expect(await sniffPath(path)).toBe(EXPECTED[container]);
  });

  it.each([
    ['aiff', 'aiff', []],
    ['w64', 'w64', []],
    ['caf', 'caf', []],
    ['au', 'au', []],
    ['asf', 'asf', []],
    ['avi', 'avi', []],
    ['flv', 'flv', ['-ar', '44100']],
    ['mpegts', 'mpeg-ts', []],
    ['adts', 'aac', []],
    ['ac3', 'ac3', ['-ar', '48000']],
    ['eac3', 'eac3', ['-ar', '48000']],
    ['wv', 'wavpack', []],
    ['mov', 'mp4', []],
    ['mkv', 'matroska', []],
  ] as const)('knows %s too', async (muxer, container, extra) => {
    const path = join(folder, `more-${muxer}`);
    const format = muxer === 'mkv' ? 'matroska' : muxer;
    await runFfmpeg(['-i', fixturePath('jfk.wav'), '-t', '1', ...extra, '-f', format, path]);
    expect(await sniffPath(path)).toBe(container);
  });

  it('looks behind ID3 tags of any size, and over a little rubbish before the first mp3 frame', async () => {
    const plain = join(folder, 'plain.mp3');
    await convertWithFfmpeg(fixturePath('jfk.wav'), 'mp3', plain, [
      '-t',
      '1',
      '-id3v2_version',
      '0',
      '-write_xing',
      '0',
    ]);
    const file = await open(plain);
    const sound = await file.readFile().finally(() => file.close());
    // Ten header bytes, length in four times seven bits: 100,000 bytes of tag.
    const tag = Buffer.concat([Buffer.from('ID3\x03\0\0\0\x06\x0d\x20', 'latin1'), Buffer.alloc(100_000)]);
    const tagged = join(folder, 'tagged');
    await writeFile(tagged, Buffer.concat([tag, tag, sound]));
    expect(await sniffPath(tagged)).toBe('mp3');
    await writeFile(tagged, Buffer.concat([Buffer.alloc(4_096), sound]));
    expect(await sniffPath(tagged)).toBe('mp3');
  });
});

describe('sniff', () => {
  it.each([
    ['an HLS play list', '#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nhttp://127.0.0.1/a.ts\n'],
    ['a DASH manifest', '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"></MPD>'],
    ['a concat script', 'ffconcat version 1.0\nfile /etc/passwd\n'],
    ['a session description', 'v=0\no=- 0 0 IN IP4 127.0.0.1\nm=audio 5004 RTP/AVP 0\n'],
    ['a web page', '<!doctype html><html></html>'],
    ['subtitles', '1\n00:00:00,000 --> 00:00:01,000\nHello\n'],
    ['a picture', '\x89PNG\r\n\x1a\n\0\0\0\rIHDR'],
    ['a RIFF picture', 'RIFF\x24\0\0\0WEBPVP8 '],
    ['nothing', ''],
    ['one byte', '\xff'],
  ])('does not take %s for sound', (_, text) => {
    expect(sniff(Buffer.from(text, 'latin1'))).toBeUndefined();
  });

  it('takes no noise for sound', () => {
    const random = randomNumbers(7);
    for (let run = 0; run < 20; run += 1) {
      const noise = Uint8Array.from({ length: 65_536 }, () => Math.floor(random() * 256));
      expect(sniff(noise)).toBeUndefined();
    }
  });

  it('names one demuxer a container, none of which opens other files', () => {
    for (const demuxer of Object.values(DEMUXERS))
      expect(demuxer).not.toMatch(/,|hls|dash|concat|sdp|rtsp|image2|data/);
  });
});
