import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeAudio } from '../../src/audio/decode.ts';
import type { Ffmpeg } from '../../src/audio/ffmpeg.ts';
import { probeFfmpeg } from '../../src/audio/probe-ffmpeg.ts';
import { StenographerError } from '../../src/errors.ts';
import {
  chunk,
  convertWithFfmpeg,
  type FixtureContainer,
  fixturePath,
  randomNumbers,
  riff,
  runFfmpeg,
  tone,
  wavBytes,
  wavFormat,
} from '../support/audio-fixtures.ts';
import { mutate } from '../support/mutate.ts';
import { playLists, referringMovie, signedPlayLists } from './support/play-lists.ts';

let folder: string;
let ffmpeg: Ffmpeg;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'steno-media-'));
  ffmpeg = await probeFfmpeg('ffmpeg');
  if (!ffmpeg.available) throw new Error(`these tests need ffmpeg: ${ffmpeg.hint}`);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

type Outcome = { readonly seconds: number } | { readonly code: string; readonly message: string };

/** Decodes to the end in a folder of its own. Anything but a StenographerError is thrown on and fails the test. */
async function outcomeOf(bytes: Buffer, maximumSeconds = 60, name = 'in'): Promise<Outcome> {
  const scratchPath = await mkdtemp(join(folder, 'job-'));
  const path = join(scratchPath, name);
  await writeFile(path, bytes);
  try {
    const decoded = await decodeAudio(
      { path, sizeBytes: bytes.length },
      { scratchPath, maximumSeconds, ffmpeg },
    );
    try {
      let samples = 0;
      for await (const available of decoded.progress) samples = available;
      return { seconds: samples / 16_000 };
    } finally {
      await decoded[Symbol.asyncDispose]();
    }
  } catch (error) {
    if (!(error instanceof StenographerError)) throw error;
    return { code: error.code, message: error.message };
  } finally {
    await rm(scratchPath, { recursive: true });
  }
}

/** ffmpeg processes whose command line names our folder; Linux only, elsewhere none are found. */
async function leftOverProcesses(): Promise<string[]> {
  const pids = (await readdir('/proc').catch(() => [])).filter((name) => /^\d+$/.test(name));
  const commands = await Promise.all(
    pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'latin1').catch(() => '')),
  );
  return commands.filter((command) => command.includes('ffmpeg') && command.includes(folder));
}

describe('disguised play lists (R5)', () => {
  const NAMES = ['in', 'in.mp3', 'in.wav', 'in.m4a', 'in.mp4', 'in.ogg', 'in.flac', 'in.webm', 'in.m3u8'];
  let server: Server;
  let address: string;
  let connections = 0;
  let canary: string;

  beforeAll(async () => {
    server = createServer((socket) => {
      connections += 1;
      socket.destroy();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const bound = server.address();
    address = `127.0.0.1:${typeof bound === 'object' && bound !== null ? bound.port : 0}`;
    // Another user's recording: if any of it came out, the answer would have a length.
    const others = join(folder, 'others');
    await mkdir(others);
    canary = join(others, 'canary.mp3');
    await writeFile(join(others, 'canary.wav'), wavBytes({ seconds: 3, generate: tone(1_000) }));
    await convertWithFfmpeg(join(others, 'canary.wav'), 'mp3', canary);
  });
  afterAll(() => new Promise((resolve) => server.close(resolve)));

  it('opens no address and no other file, whatever the name', async () => {
    const lists = Object.entries(playLists({ address, path: canary }));
    expect(lists.length).toBeGreaterThan(60);
    for (const [kind, text] of lists) {
      for (const name of NAMES) {
        const outcome = await outcomeOf(Buffer.from(text, 'latin1'), 60, name);
        expect(outcome, `${kind} as ${name}`).toMatchObject({ code: 'invalid_audio' });
        expect(JSON.stringify(outcome), `${kind} as ${name}`).not.toContain(folder);
      }
    }
    expect(connections).toBe(0);
  });

  it('opens none behind a signature that passes our own check either', async () => {
    for (const text of signedPlayLists(address)) {
      const outcome = await outcomeOf(Buffer.from(text, 'latin1'));
      expect(['invalid_audio', 'audio_too_short']).toContain(
        'code' in outcome ? outcome.code : outcome.seconds,
      );
    }
    expect(connections).toBe(0);
  });

  it('follows no reference out of a QuickTime file', async () => {
    for (const target of [canary, `http://${address}/a.wav`]) {
      const withName = await referringMovie(folder, target);
      const outcome = await outcomeOf(withName);
      // Read from the file itself, or refused; three seconds would be the other file's.
      if ('seconds' in outcome) expect(outcome.seconds).toBeLessThan(2.1);
    }
    expect(connections).toBe(0);
  });
});

describe('bombs (R3)', () => {
  const PCM = { tag: 1, channels: 1, sampleRate: 16_000, bits: 16 };
  const wav = (format: Partial<typeof PCM>, size?: number) =>
    riff(chunk('fmt ', wavFormat({ ...PCM, ...format })), chunk('data', Buffer.alloc(64_000), size));

  it.each([
    ['1 Hz', wav({ sampleRate: 1 })],
    ['0 Hz', wav({ sampleRate: 0 })],
    ['655,350 Hz and 8 channels', wav({ sampleRate: 655_350, channels: 8 })],
    ['255 channels', wav({ channels: 255 })],
    ['1 Hz, compressed', wav({ sampleRate: 1, tag: 2, bits: 4 })],
  ])('refuses WAV of %s', async (_, bytes) => {
    expect(await outcomeOf(bytes)).toMatchObject({ code: 'invalid_audio' });
  });

  it('takes a data size of 0xFFFFFFFF for what is there', async () => {
    expect(await outcomeOf(wav({}, 0xffff_ffff))).toEqual({ seconds: 2 });
  });

  it.each([
    ['flac', 'flac', []],
    ['mp3', 'mp3', ['-b:a', '8k', '-ar', '8000']],
    ['opus', 'webm', ['-b:a', '6k', '-compression_level', '0']],
    ['aac', 'm4a', ['-b:a', '8k']],
  ] as const)('stops at the limit in a quarter of an hour of silent %s', async (name, container, extra) => {
    const silent = join(folder, 'silence.wav');
    const path = join(folder, `bomb.${name}`);
    await runFfmpeg(['-f', 'lavfi', '-i', 'anullsrc=r=8000:cl=mono', '-t', '900', silent]);
    await convertWithFfmpeg(silent, container as FixtureContainer, path, extra);
    const { size } = await stat(path);
    expect(size).toBeLessThan(1.5e6);
    const startMs = performance.now();
    expect(await outcomeOf(await readFile(path), 60)).toMatchObject({ code: 'audio_too_long' });
    // R3; a quarter of an hour in full takes about as long as four hours up to the limit.
    expect(performance.now() - startMs).toBeLessThan(20_000);
  });

  it('writes no more than the limit to the disk', async () => {
    const path = join(folder, 'bomb.flac');
    const scratchPath = await mkdtemp(join(folder, 'disk-'));
    const source = { path, sizeBytes: (await stat(path)).size };
    const decoded = await decodeAudio(source, { scratchPath, maximumSeconds: 60, ffmpeg }).catch(
      () => undefined,
    );
    await decoded?.[Symbol.asyncDispose]();
    expect((await stat(join(scratchPath, 'decoded.pcm'))).size).toBeLessThanOrEqual(62 * 32_000);
  });
});

describe('damaged media (R6)', () => {
  const SEED = 20_261_123;
  // A few without the server around: fuzz.test.ts sends many more over HTTP.
  const MUTANTS_A_FORMAT = 5;
  const FORMATS = ['flac', 'mp3', 'mpga', 'mpeg', 'mp4', 'm4a', 'ogg', 'oga', 'wav', 'webm'] as const;

  it(`answers ${MUTANTS_A_FORMAT * FORMATS.length} mutants (seed ${SEED}) with sound or a clean error`, async () => {
    const random = randomNumbers(SEED);
    const tally = { decoded: 0, refused: 0 };
    const examine = async (mutant: Buffer, name: string) => {
      const startMs = performance.now();
      const outcome = await outcomeOf(mutant).catch((error: unknown) => {
        throw new Error(name, { cause: error });
      });
      expect(performance.now() - startMs, name).toBeLessThan(30_000);
      if ('seconds' in outcome) tally.decoded += 1;
      else {
        tally.refused += 1;
        expect(['invalid_audio', 'audio_too_short', 'audio_too_long'], name).toContain(outcome.code);
        expect(outcome.message, name).not.toMatch(/\/tmp|ffmpeg version|0x[0-9a-f]{6}|\bat .*\.ts/);
      }
    };
    for (const container of FORMATS) {
      const path = join(folder, `seed.${container}`);
      await convertWithFfmpeg(fixturePath('jfk.wav'), container, path, ['-t', '1', '-fflags', '+bitexact']);
      const original = await readFile(path);
      const mutants = Array.from({ length: MUTANTS_A_FORMAT }, () => mutate(original, random)).entries();
      // Two lanes share one iterator, as two requests would share the machine.
      const lane = async () => {
        for (const [index, mutant] of mutants)
          await examine(mutant, `mutant ${index} of ${container}, seed ${SEED}`);
      };
      await Promise.all([lane(), lane()]);
    }
    expect(tally.decoded).toBeGreaterThan(0);
    expect(tally.refused).toBeGreaterThan(0);
    expect(await leftOverProcesses()).toEqual([]);
    expect((await readdir(folder)).filter((name) => name.startsWith('job-'))).toEqual([]);
  });
});
