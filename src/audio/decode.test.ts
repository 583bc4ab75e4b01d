import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, open, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  CONTAINERS,
  chunk,
  convertWithFfmpeg,
  fixturePath,
  riff,
  runFfmpeg,
  silence,
  tone,
  wavBytes,
  wavFormat,
} from '../../test/support/audio-fixtures.ts';
import { type DecodedAudio, type DecodeOptions, decodeAudio } from './decode.ts';
import type { Ffmpeg } from './ffmpeg.ts';
import { NO_FFMPEG, probeFfmpeg } from './probe-ffmpeg.ts';

let folder: string;
let ffmpeg: Ffmpeg;
let count = 0;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'steno-decode-'));
  ffmpeg = await probeFfmpeg('ffmpeg');
  if (!ffmpeg.available) throw new Error(`these tests need ffmpeg: ${ffmpeg.hint}`);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function decode(input: string | Buffer, options: Partial<DecodeOptions> = {}): Promise<DecodedAudio> {
  count += 1;
  const scratchPath = join(folder, `scratch-${count}`);
  await mkdir(scratchPath);
  const path = typeof input === 'string' ? input : join(folder, `input-${count}`);
  if (typeof input !== 'string') await writeFile(path, input);
  const { size } = await stat(path);
  return decodeAudio({ path, sizeBytes: size }, { scratchPath, maximumSeconds: 60, ffmpeg, ...options });
}

/** All samples, once they are there. */
async function samplesOf(decoded: DecodedAudio): Promise<Int16Array> {
  let samples = 0;
  for await (const available of decoded.progress) samples = available;
  const bytes = (await readFile(decoded.pcm.path)).subarray(decoded.pcm.offsetBytes);
  return Int16Array.from({ length: samples }, (_, index) => bytes.readInt16LE(index * 2));
}

/** Cosine between two sounds at the best shift within 50 ms; encoders add a little silence. */
function likeness(one: Int16Array, other: Int16Array): number {
  let best = 0;
  for (let shift = 0; shift < 1_600; shift += 1) {
    best = Math.max(best, cosine(one.subarray(shift), other), cosine(one, other.subarray(shift)));
    if (best > 0.95) break;
  }
  return best;
}

function cosine(one: Int16Array, other: Int16Array): number {
  const length = Math.min(one.length, other.length);
  let product = 0;
  let onePower = 0;
  let otherPower = 0;
  for (let index = 0; index < length; index += 1) {
    const [a = 0, b = 0] = [one[index], other[index]];
    product += a * b;
    onePower += a * a;
    otherPower += b * b;
  }
  return product / Math.sqrt(onePower * otherPower);
}

/** An .au file of 80,000 silent bytes, coded as 16-bit PCM. */
function sunAudio(sampleRate: number, channels: number): Buffer {
  const header = Buffer.alloc(28);
  header.write('.snd');
  [28, 80_000, 3, sampleRate, channels].forEach((value, index) => {
    header.writeUInt32BE(value, 4 + index * 4);
  });
  return Buffer.concat([header, Buffer.alloc(80_000)]);
}

describe('decodeAudio', () => {
  it('leaves WAV that is ready where it is', async () => {
    const decoded = await decode(fixturePath('jfk.wav'), { ffmpeg: NO_FFMPEG });
    expect(decoded.pcm).toEqual({ path: fixturePath('jfk.wav'), offsetBytes: 78 });
    expect(decoded.samples).toBe(176_000);
    expect(decoded.truncated).toBe(false);
  });

  it.each(CONTAINERS)('gives the sound of a WAV file again from %s', async (container) => {
    const path = join(folder, `speech.${container}`);
    await convertWithFfmpeg(fixturePath('jfk.wav'), container, path, ['-t', '4']);
    const decoded = await decode(path);
    const samples = await samplesOf(decoded);
    const reference = await samplesOf(await decode(fixturePath('jfk.wav')));
    expect(Math.abs(samples.length / 16_000 - 4)).toBeLessThan(0.1);
    expect(likeness(samples, reference.subarray(0, 64_000))).toBeGreaterThan(0.95);
    expect(decoded.truncated).toBe(false);
    await decoded[Symbol.asyncDispose]();
  });

  it('gives the same from WAV in process and, where it is long, through ffmpeg', async () => {
    const bytes = wavBytes({
      seconds: 12,
      sampleRate: 44_100,
      channels: 6,
      format: 's24',
      generate: tone(300),
    });
    const withTail = Buffer.concat([bytes, chunk('LIST', Buffer.alloc(50_000, 0x55))]);
    const [own, other] = await Promise.all([decode(withTail, { ffmpeg: NO_FFMPEG }), decode(withTail)]);
    const [ownSamples, otherSamples] = [await samplesOf(own), await samplesOf(other)];
    expect(ownSamples.length).toBe(192_000);
    expect(Math.abs(otherSamples.length - 192_000)).toBeLessThanOrEqual(1);
    expect(cosine(ownSamples, otherSamples)).toBeGreaterThan(0.999);
  });

  it('makes the first samples readable before the last are decoded', async () => {
    const path = join(folder, 'long.flac');
    await runFfmpeg([
      '-f',
      'lavfi',
      '-i',
      'sine=frequency=300:sample_rate=48000',
      '-t',
      '600',
      '-f',
      'flac',
      path,
    ]);
    const decoded = await decode(path, { maximumSeconds: 3_600 });
    const first = decoded.samples;
    const counts: number[] = [];
    for await (const samples of decoded.progress) counts.push(samples);
    expect(first).toBeLessThan(9_600_000);
    expect(counts.length).toBeGreaterThan(1);
    expect(counts.at(-1)).toBe(9_600_000);
    expect((await stat(decoded.pcm.path)).size).toBe(19_200_000);
  });

  it.each([
    ['zero bytes', Buffer.alloc(0), 'audio_too_short'],
    ['a header alone', wavBytes({ seconds: 0, generate: silence }), 'audio_too_short'],
    ['0.099 s', wavBytes({ seconds: 0.099, generate: silence }), 'audio_too_short'],
    [
      '0.099 s of 8 kHz',
      wavBytes({ seconds: 0.099, sampleRate: 8_000, generate: silence }),
      'audio_too_short',
    ],
    [
      'more than the limit',
      wavBytes({ seconds: 60.1, sampleRate: 8_000, generate: silence }),
      'audio_too_long',
    ],
    ['text', Buffer.from('This is no sound at all.'), 'invalid_audio'],
    ['one byte', Buffer.from('\xff', 'latin1'), 'invalid_audio'],
    ['a signature alone', Buffer.from('fLaC'), 'invalid_audio'],
  ])('refuses %s', async (_, bytes, code) => {
    await expect(decode(bytes)).rejects.toMatchObject({ code, param: 'file' });
  });

  it('takes 0.1 s and the limit itself', async () => {
    expect((await decode(wavBytes({ seconds: 0.1, generate: silence }))).samples).toBe(1_600);
    expect((await decode(wavBytes({ seconds: 60, generate: silence }))).samples).toBe(960_000);
    const path = join(folder, 'limit.flac');
    await runFfmpeg(['-f', 'lavfi', '-i', 'anullsrc=r=16000:cl=mono', '-t', '60', '-f', 'flac', path]);
    expect((await samplesOf(await decode(path))).length).toBe(960_000);
  });

  it('stops counting at the limit, after the first samples were handed on', async () => {
    const path = join(folder, 'over.flac');
    await runFfmpeg(['-f', 'lavfi', '-i', 'anullsrc=r=16000:cl=mono', '-t', '600', '-f', 'flac', path]);
    const end = decode(path).then(samplesOf);
    await expect(end).rejects.toMatchObject({ code: 'audio_too_long' });
  });

  it('says that there is no sound track', async () => {
    const path = join(folder, 'silent-film.mp4');
    await runFfmpeg([
      '-f',
      'lavfi',
      '-i',
      'color=size=16x16:rate=5',
      '-t',
      '1',
      '-c:v',
      'mpeg4',
      '-f',
      'mp4',
      path,
    ]);
    await expect(decode(path)).rejects.toThrow('no audio track');
  });

  it('finds the sound of a film', async () => {
    const path = join(folder, 'film.mp4');
    const film = [
      '-f',
      'lavfi',
      '-i',
      'color=size=16x16:rate=5',
      '-i',
      fixturePath('jfk.wav'),
      '-c:v',
      'mpeg4',
    ];
    await runFfmpeg([...film, '-c:a', 'aac', '-t', '2', '-f', 'mp4', path]);
    expect((await samplesOf(await decode(path))).length / 16_000).toBeCloseTo(2, 1);
  });

  it('asks for ffmpeg where it is needed', async () => {
    const path = join(folder, 'needs.ogg');
    await convertWithFfmpeg(fixturePath('jfk.wav'), 'ogg', path, ['-t', '1']);
    await expect(decode(path, { ffmpeg: NO_FFMPEG })).rejects.toMatchObject({ code: 'ffmpeg_required' });
    const adpcm = riff(
      chunk('fmt ', wavFormat({ tag: 2, channels: 1, sampleRate: 8_000, bits: 4 })),
      chunk('data', Buffer.alloc(99)),
    );
    await expect(decode(adpcm, { ffmpeg: NO_FFMPEG })).rejects.toMatchObject({ code: 'ffmpeg_required' });
    const gone = { ...ffmpeg, path: '/nonexistent/ffmpeg' };
    await expect(decode(path, { ffmpeg: gone })).rejects.toMatchObject({ code: 'ffmpeg_required' });
    await expect(decode(path, { ffmpeg: { ...gone, guards: {} } })).rejects.toMatchObject({
      code: 'ffmpeg_required',
    });
  });

  it('refuses rates and channel counts beyond the limits inside other containers too', async () => {
    await expect(decode(sunAudio(655_350, 8))).rejects.toThrow('655350 Hz');
    await expect(decode(sunAudio(1, 1))).rejects.toThrow('1 Hz');
    await expect(decode(sunAudio(8_000, 20))).rejects.toThrow('20 channels');
    expect((await samplesOf(await decode(sunAudio(8_000, 2)))).length).toBe(40_000);
  });

  it('uses the part of a cut file that is there, and says so', async () => {
    const path = join(folder, 'whole.flac');
    await convertWithFfmpeg(fixturePath('jfk.wav'), 'flac', path);
    const whole = await readFile(path);
    const decoded = await decode(whole.subarray(0, whole.length / 2));
    const samples = await samplesOf(decoded);
    expect(samples.length).toBeGreaterThan(3 * 16_000);
    expect(samples.length).toBeLessThan(9 * 16_000);
    expect(decoded.truncated).toBe(true);
    const wav = await readFile(fixturePath('jfk.wav'));
    expect((await decode(wav.subarray(0, 100_000))).truncated).toBe(true);
  });

  it('writes nothing but its one file', async () => {
    const path = join(folder, 'tidy.mp3');
    await convertWithFfmpeg(fixturePath('jfk.wav'), 'mp3', path, ['-t', '1']);
    const decoded = await decode(path);
    await samplesOf(decoded);
    expect(await readdir(join(decoded.pcm.path, '..'))).toEqual(['decoded.pcm']);
  });
});

describe('decodeAudio when it is no longer wanted', () => {
  /** Stands for an ffmpeg that hangs: writes a second of sound, ignores SIGTERM and keeps a child. */
  async function hangingFfmpeg(): Promise<{ program: Ffmpeg; pidFile: string }> {
    const pidFile = join(folder, `pid-${count}`);
    const path = join(folder, `hanging-${count}`);
    const script = `#!/bin/sh\ntrap '' TERM\n/usr/bin/head -c 32000 /dev/zero\n/bin/sleep 60 &\necho "$$ $!" > ${pidFile}\nwait\nwait\n`;
    await writeFile(path, script, { mode: 0o755 });
    return { program: { available: true, path, guards: {} }, pidFile };
  }

  function isAlive(pid: string): boolean {
    // A process that has ended but was not yet collected by its parent counts as gone.
    const { stdout } = spawnSync('ps', ['-o', 'stat=', '-p', pid], { encoding: 'utf8' });
    return stdout.trim() !== '' && !stdout.trim().startsWith('Z');
  }

  async function pidsIn(path: string): Promise<string[]> {
    for (;;) {
      const text = await readFile(path, 'utf8').catch(() => '');
      if (text.endsWith('\n')) return text.trim().split(' ');
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  it('kills the whole process group at once when aborted', async () => {
    const { program, pidFile } = await hangingFfmpeg();
    const controller = new AbortController();
    const decoded = await decode(Buffer.from('fLaC-whatever'), {
      ffmpeg: program,
      signal: controller.signal,
    });
    const pids = await pidsIn(pidFile);
    expect(pids.map(isAlive)).toEqual([true, true]);
    const startMs = performance.now();
    controller.abort();
    await expect(samplesOf(decoded)).rejects.toMatchObject({ code: 'aborted' });
    await decoded[Symbol.asyncDispose]();
    expect(performance.now() - startMs).toBeLessThan(2_000);
    // Its child, killed with it, may wait for its turn to end.
    await expect.poll(() => pids.map(isAlive)).toEqual([false, false]);
  });

  it('kills it whenever the signal comes, also while it is being started', async () => {
    const { program } = await hangingFfmpeg();
    for (const waitMs of [0, 0, 1, 2, 4, 8]) {
      const controller = new AbortController();
      const decoding = decode(Buffer.from('fLaC-whatever'), { ffmpeg: program, signal: controller.signal });
      setTimeout(() => controller.abort(), waitMs);
      await expect(decoding.then(samplesOf)).rejects.toMatchObject({ code: 'aborted' });
    }
    const commands = () => spawnSync('ps', ['-eo', 'args'], { encoding: 'utf8' }).stdout;
    await expect.poll(commands).not.toContain(program.path);
  });

  it('kills it when disposed early', async () => {
    const { program, pidFile } = await hangingFfmpeg();
    const decoded = await decode(Buffer.from('fLaC-whatever'), { ffmpeg: program });
    const pids = await pidsIn(pidFile);
    await decoded[Symbol.asyncDispose]();
    await expect.poll(() => pids.map(isAlive)).toEqual([false, false]);
  });

  it('does not start when it was aborted before, and stops a WAV conversion', async () => {
    const bytes = wavBytes({ seconds: 50, sampleRate: 44_100, generate: silence });
    await expect(decode(bytes, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'aborted' });
    const controller = new AbortController();
    const decoded = await decode(bytes, { ffmpeg: NO_FFMPEG, signal: controller.signal });
    controller.abort();
    await expect(samplesOf(decoded)).rejects.toMatchObject({ code: 'aborted' });
    expect(decoded.samples).toBeLessThan(800_000);
  });

  it('answers cleanly when the decoder crashes', async () => {
    const path = join(folder, 'crashing');
    await writeFile(path, '#!/bin/sh\n/usr/bin/head -c 32000 /dev/zero\nkill -SEGV $$\n', { mode: 0o755 });
    const crashing: Ffmpeg = { available: true, path, guards: {} };
    await expect(
      decode(Buffer.from('fLaC-whatever'), { ffmpeg: crashing }).then(samplesOf),
    ).rejects.toMatchObject({
      code: 'invalid_audio',
    });
  });

  it('leaves no descriptor open', async () => {
    const descriptors = async () => (await readdir('/proc/self/fd').catch(() => [])).length;
    const before = await descriptors();
    for (let run = 0; run < 5; run += 1) {
      const decoded = await decode(wavBytes({ seconds: 0.2, sampleRate: 8_000, generate: silence }));
      await decoded[Symbol.asyncDispose]();
      await decode(Buffer.from('nothing')).catch(() => undefined);
    }
    const probe = await open(fixturePath('jfk.wav'));
    await probe.close();
    await expect.poll(descriptors).toBeLessThanOrEqual(before + 1);
  });
});
