import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { chunk, riff, runFfmpeg, wavFormat } from '../support/audio-fixtures.ts';
import { bestOf } from '../support/best-of.ts';
import { type Answer, expectEnvelope } from '../support/multipart.ts';
import { byTier, isNightly } from '../support/tier.ts';
import { descendantsOf, hasProcessTable, residentMiB } from './support/process-table.ts';
import { type StubServer, scripted, startStubServer } from './support/running-server.ts';

const MOST_MIB = 600;
const MOST_SECONDS = 20;
/** Of silence; with the longest one 25 MiB hold 52 hours. */
const HOURS = byTier({ fast: { flac: 0.5, opus: 0.5, mp3: 0.5 }, nightly: { flac: 52, opus: 19, mp3: 7 } });
const PCM = { tag: 1, channels: 1, sampleRate: 16_000, bits: 16 };

let server: StubServer;
let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'steno-bombs-'));
  // The default of four hours in the large tier.
  server = await startStubServer({ settings: isNightly ? {} : { STENO_MAX_AUDIO_SECONDS: '60' } });
  await server.post(scripted('answer'));
});
afterAll(async () => {
  await server.stop();
  rmSync(folder, { recursive: true });
});

interface Outcome {
  readonly answer: Answer;
  readonly seconds: number;
  /** Of the largest process of the server. */
  readonly peakMiB: number;
}

async function send(bomb: Buffer): Promise<Outcome> {
  let peakMiB = 0;
  const watch = setInterval(() => {
    for (const pid of [server.pid, ...descendantsOf(server.pid).map((row) => row.pid)])
      peakMiB = Math.max(peakMiB, memoryOf(pid));
  }, 30);
  const startMs = performance.now();
  const answer = await server.post(bomb).finally(() => clearInterval(watch));
  return { answer, seconds: (performance.now() - startMs) / 1000, peakMiB };
}

function memoryOf(pid: number): number {
  try {
    return residentMiB(pid);
  } catch {
    return 0;
  }
}

/** 20 bits of STREAMINFO, which no encoder writes so large (RFC 9639, section 8.2). */
function claimingRate(flac: Buffer, rate: number): Buffer {
  const at = 4 + 4 + 10;
  const copy = Buffer.from(flac);
  copy.writeUIntBE(rate * 16 + (copy.readUIntBE(at, 3) & 15), at, 3);
  return copy;
}

async function expectNothingLeft(): Promise<void> {
  await expect.poll(server.scratch).toEqual([]);
  expect(server.ffmpegIds()).toEqual([]);
}

describe.skipIf(!hasProcessTable)('R3 bombs over HTTP (E4)', () => {
  const silence = (rate: number, hours: number) => [
    '-f',
    'lavfi',
    '-i',
    `anullsrc=r=${rate}:cl=mono`,
    '-t',
    String(hours * 3600),
  ];

  it.each([
    ['flac', HOURS.flac, ['-compression_level', '8', '-frame_size', '65535'], 8000],
    ['opus', HOURS.opus, ['-c:a', 'libopus', '-b:a', '6k', '-compression_level', '0'], 8000],
    ['mp3', HOURS.mp3, ['-b:a', '8k'], 8000],
  ] as const)(
    '%s with %f hours of silence is refused as too long',
    { timeout: 1_200_000 },
    async (container, hours, encode, rate) => {
      const path = join(folder, `bomb.${container}`);
      // One hour again and again where the encoder would take minutes.
      const once = container === 'flac' ? hours : Math.min(hours, 1);
      const piece = join(folder, `piece.${container}`);
      await runFfmpeg([...silence(rate, once), ...encode, piece]);
      await runFfmpeg(['-stream_loop', String(Math.ceil(hours / once) - 1), '-i', piece, '-c', 'copy', path]);
      const { size } = statSync(path);
      expect(size).toBeLessThan(100e6);
      const bomb = readFileSync(path);
      const outcomes: Outcome[] = [];
      const seconds = await bestOf(`R3: ${container}, s`, MOST_SECONDS, async () => {
        const outcome = await send(bomb);
        outcomes.push(outcome);
        return outcome.seconds;
      });
      const { answer, peakMiB } = outcomes.at(-1) as Outcome;
      console.log(
        `R3: ${hours} h of ${container} in ${(size / 1e6).toFixed(1)} MB: ${answer.status} after ${seconds.toFixed(1)} s, ` +
          `the largest process had ${peakMiB.toFixed(0)} MiB`,
      );
      expectEnvelope(answer, { status: 400, code: 'audio_too_long' });
      expect(seconds).toBeLessThan(MOST_SECONDS);
      expect(peakMiB).toBeLessThan(MOST_MIB);
      await expectNothingLeft();
    },
  );

  it('headers that claim the impossible, and files without anything, are 4xx', async () => {
    const loud = join(folder, 'loud.flac');
    await runFfmpeg(['-f', 'lavfi', '-i', 'anullsrc=r=44100:cl=7.1', '-t', '1', loud]);
    const wav = (format: Partial<typeof PCM>, size?: number) =>
      riff(chunk('fmt ', wavFormat({ ...PCM, ...format })), chunk('data', Buffer.alloc(64_000), size));
    // Its frames tell their own rate: read as what it is, or refused.
    expect([200, 400]).toContain((await send(claimingRate(readFileSync(loud), 655_350))).answer.status);
    const bombs: Readonly<Record<string, Buffer>> = {
      '1 Hz': wav({ sampleRate: 1 }),
      '0 Hz': wav({ sampleRate: 0 }),
      '655,350 Hz in 8 channels of WAV': wav({ sampleRate: 655_350, channels: 8 }),
      '255 channels': wav({ channels: 255 }),
      'no bytes': Buffer.alloc(0),
      'a header alone': riff(chunk('fmt ', wavFormat(PCM)), chunk('data', Buffer.alloc(0))),
    };
    for (const [name, bomb] of Object.entries(bombs)) {
      const { answer, seconds, peakMiB } = await send(bomb);
      expect({ name, status: answer.status }).toEqual({ name, status: 400 });
      expectEnvelope(answer, { status: 400 });
      expect(seconds, name).toBeLessThan(MOST_SECONDS);
      expect(peakMiB, name).toBeLessThan(MOST_MIB);
      await expectNothingLeft();
    }
    expect((await send(wav({}, 0xffff_ffff))).answer.status).toBe(200);
    expect((await server.post(scripted('answer'))).status).toBe(200);
  });
});
