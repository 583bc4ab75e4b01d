import { mkdir, mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { fixturePath } from '../../test/support/audio-fixtures.ts';
import { DecodeProgress } from './decode-progress.ts';
import { decodeWithFfmpeg } from './ffmpeg.ts';
import { ffmpegCommand } from './ffmpeg-command.ts';
import { probeFfmpeg } from './probe-ffmpeg.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'steno-probe-test-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function fakeProgram(name: string, script: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  return path;
}

describe('probeFfmpeg', () => {
  it('finds the ffmpeg of this machine, with its version and what fences it in', async () => {
    const ffmpeg = await probeFfmpeg('ffmpeg');
    expect(ffmpeg).toMatchObject({ available: true, version: expect.stringMatching(/\d/) });
    expect(ffmpeg.path).toMatch(/^\//);
    expect(ffmpeg.hint).toBeUndefined();
    if (process.platform === 'linux') expect(Object.keys(ffmpeg.guards)).toContain('limits');
  });

  it('says what to do when there is none', async () => {
    const ffmpeg = await probeFfmpeg('no-such-ffmpeg');
    expect(ffmpeg.available).toBe(false);
    expect(ffmpeg.hint).toMatch(/'no-such-ffmpeg' was found.*apt-get install ffmpeg.*STENO_FFMPEG/);
    expect((await probeFfmpeg('/no/such/place')).available).toBe(false);
  });

  it('takes no other program for ffmpeg, nor one that cannot decode', async () => {
    expect((await probeFfmpeg(await fakeProgram('other', 'echo hello'))).hint).toContain(
      'does not answer as ffmpeg',
    );
    const broken = await fakeProgram('broken', 'echo "ffmpeg version 9.9"; exit 1');
    expect((await probeFfmpeg(broken)).available).toBe(false);
    const useless = await fakeProgram('useless', 'echo "ffmpeg version 9.9"');
    expect((await probeFfmpeg(useless)).hint).toContain('fails to decode');
  });
});

describe.skipIf(process.getuid?.() !== 0)('probeFfmpeg as root', () => {
  it('finds whether decoders can have users of their own', async () => {
    expect((await probeFfmpeg('ffmpeg', { firstUser: 60_600 })).guards.users?.first).toBe(60_600);
    expect((await probeFfmpeg('ffmpeg')).guards.users).toBeUndefined();
  });

  it('says once that a file system refuses other owners, and decodes all the same', async () => {
    const onUserRefused = vi.fn();
    const ffmpeg = await probeFfmpeg('ffmpeg', { firstUser: 60_600, onUserRefused });
    expect(onUserRefused).not.toHaveBeenCalled();
    const handle = await open(fixturePath('jfk.wav'), 'r');
    // As a volume of another system answers; root itself may do it everywhere else.
    const refusal = Object.assign(new Error('EPERM: operation not permitted, fchown'), { code: 'EPERM' });
    const chown = vi.spyOn(Object.getPrototypeOf(handle), 'chown').mockRejectedValue(refusal);
    await handle.close();
    try {
      for (const name of ['first', 'second']) {
        const progress = new DecodeProgress();
        const options = { outputPath: join(folder, name), maximumSeconds: 60, progress };
        await decodeWithFfmpeg(
          ffmpeg,
          { path: fixturePath('jfk.wav'), demuxer: 'wav' },
          { ...options, signal: new AbortController().signal },
        );
        expect(progress.samples).toBe(176_000);
      }
      expect(chown).toHaveBeenCalledTimes(2);
    } finally {
      chown.mockRestore();
    }
    expect(onUserRefused.mock.calls).toEqual([[refusal]]);
  });

  it('does without where the program cannot be reached by others', async () => {
    const hidden = join(folder, 'hidden');
    await mkdir(hidden, { mode: 0o700 });
    const real = (await probeFfmpeg('ffmpeg')).path;
    const program = join(hidden, 'ffmpeg');
    await writeFile(program, `#!/bin/sh\nexec ${real} "$@"\n`, { mode: 0o755 });
    const { available, guards } = await probeFfmpeg(program, { firstUser: 60_600 });
    expect(available).toBe(true);
    expect(guards.users).toBeUndefined();
    expect(Object.keys(guards)).toContain('limits');
  });
});

describe('ffmpegCommand', () => {
  const guards = { network: ['/u', '--net'], limits: ['/p'], privileges: ['/s', '--no-new-privs'] };

  it('names one demuxer, one protocol and only sound decoders', () => {
    const command = ffmpegCommand(
      { path: '/bin/ffmpeg', guards: {} },
      { path: '/job/in', demuxer: 'ogg' },
      60,
    );
    const optionValue = (name: string) => command[command.indexOf(name) + 1];
    expect(command[0]).toBe('/bin/ffmpeg');
    expect(optionValue('-protocol_whitelist')).toBe('file');
    expect(optionValue('-format_whitelist')).toBe('ogg');
    expect(optionValue('-f')).toBe('ogg');
    expect(optionValue('-i')).toBe('file:/job/in');
    expect(optionValue('-t')).toBe('60');
    expect(optionValue('-codec_whitelist')?.split(',')).toEqual(
      expect.arrayContaining(['mp3float', 'opus', 'vorbis', 'aac', 'flac']),
    );
    expect(optionValue('-codec_whitelist')).not.toMatch(/h264|hevc|vp8|mjpeg|png/);
  });

  it.each([
    ['with the network', guards, ['/u', '--net', '--setgid=60605', '--setuid=60605', '/p']],
    ['where it stays', { limits: ['/p'] }, ['/u', '--setgid=60605', '--setuid=60605', '/p']],
  ] as const)('gives up being root %s, and names the open file then', (_, others, start) => {
    const users = { program: '/u', first: 60_600 };
    const input = { path: '/job/in', demuxer: 'ogg', userId: 60_605 };
    const command = ffmpegCommand({ path: '/bin/ffmpeg', guards: { ...others, users } }, input, 60);
    expect(command.slice(0, start.length)).toEqual(start);
    expect(command).toContain('file:/proc/self/fd/3');
    expect(command).not.toContain('file:/job/in');
  });

  it('puts the guards before it, with limits of memory, time, file size and descriptors', () => {
    const command = ffmpegCommand({ path: '/bin/ffmpeg', guards }, { path: '/job/in', demuxer: 'ogg' }, 60);
    expect(command.slice(0, command.indexOf('/bin/ffmpeg'))).toEqual([
      '/u',
      '--net',
      '/p',
      '--as=1073741824',
      '--cpu=120',
      `--fsize=${61 * 32_000}`,
      '--nofile=64',
      '--core=0',
      '/s',
      '--no-new-privs',
    ]);
  });
});
