import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type ChunkingOptions,
  chunkingFor,
  DEFAULT_CHUNKING,
  type SpeechChunk,
  SpeechChunker,
} from './chunking.ts';
import { FRAME_SAMPLES } from './frames.ts';

const OPTIONS: ChunkingOptions = {
  ...DEFAULT_CHUNKING,
  minimumSilenceFrames: 3,
  minimumSpeechFrames: 4,
  longestFrames: 100,
  pauseFrames: 10,
  shortestFrames: 30,
  longPauseFrames: 40,
  paddingSamples: 2 * FRAME_SAMPLES,
};

const speech = (frames: number): number[] => Array.from({ length: frames }, () => 0.9);
const silence = (frames: number): number[] => Array.from({ length: frames }, () => 0.01);

function chunksOf(probabilities: readonly number[], options = OPTIONS): SpeechChunk[] {
  const chunker = new SpeechChunker(options);
  return [...chunker.push(probabilities), ...chunker.end(probabilities.length * FRAME_SAMPLES)];
}

function frameRange(chunk: SpeechChunk): [number, number] {
  return [chunk.startSample / FRAME_SAMPLES, chunk.endSample / FRAME_SAMPLES];
}

describe('SpeechChunker', () => {
  it('gives silence no chunk', () => {
    expect(chunksOf(silence(1000))).toEqual([]);
  });

  it('pads speech with the sound around it, inside the recording', () => {
    expect(chunksOf([...silence(20), ...speech(20), ...silence(20)]).map(frameRange)).toEqual([[18, 42]]);
    expect(chunksOf(speech(20)).map(frameRange)).toEqual([[0, 20]]);
  });

  it('joins phrases over short pauses and parts them at a pause once there is enough', () => {
    expect(chunksOf([...speech(10), ...silence(12), ...speech(10), ...silence(60)])).toHaveLength(1);
    expect(chunksOf([...speech(35), ...silence(12), ...speech(10), ...silence(60)])).toHaveLength(2);
  });

  it('parts any phrases at a long pause', () => {
    expect(chunksOf([...speech(10), ...silence(45), ...speech(10)])).toHaveLength(2);
  });

  it('cuts a chunk that grows too long at its widest pause', () => {
    const chunks = chunksOf([
      ...speech(50),
      ...silence(8),
      ...speech(20),
      ...silence(4),
      ...speech(40),
      ...silence(60),
    ]);
    expect(chunks.map((chunk) => chunk.speech.map((span) => span.startSample / FRAME_SAMPLES))).toEqual([
      [0],
      [58, 82],
    ]);
  });

  it('cuts speech without a pause where it is weakest and loses nothing', () => {
    const probabilities = speech(150);
    probabilities[80] = 0.6;
    const chunks = chunksOf(probabilities);
    expect(chunks.map(frameRange)).toEqual([
      [0, 80],
      [80, 150],
    ]);
  });

  it('gives the same chunks however the frames are cut into blocks', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 1, max: 60 }), fc.double({ min: 0, max: 1, noNaN: true })), {
          maxLength: 30,
        }),
        fc.integer({ min: 1, max: 50 }),
        (runs, blockSize) => {
          const probabilities = runs.flatMap(([length, value]) => Array.from({ length }, () => value));
          const chunker = new SpeechChunker(OPTIONS);
          const chunks: SpeechChunk[] = [];
          for (let start = 0; start < probabilities.length; start += blockSize)
            chunks.push(...chunker.push(probabilities.slice(start, start + blockSize)));
          chunks.push(...chunker.end(probabilities.length * FRAME_SAMPLES));
          expect(chunks).toEqual(chunksOf(probabilities));
        },
      ),
    );
  });

  it('keeps chunks in order, inside the recording, apart, and no longer than allowed', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 1, max: 80 }), fc.double({ min: 0, max: 1, noNaN: true })), {
          maxLength: 40,
        }),
        (runs) => {
          const probabilities = runs.flatMap(([length, value]) => Array.from({ length }, () => value));
          let previousEnd = 0;
          for (const chunk of chunksOf(probabilities)) {
            expect(chunk.startSample).toBeGreaterThanOrEqual(previousEnd);
            expect(chunk.endSample).toBeGreaterThan(chunk.startSample);
            expect(chunk.endSample).toBeLessThanOrEqual(probabilities.length * FRAME_SAMPLES);
            const [first, last] = [chunk.speech[0], chunk.speech.at(-1)];
            const length = (last?.endSample ?? 0) - (first?.startSample ?? 0);
            expect(length).toBeLessThanOrEqual(OPTIONS.longestFrames * FRAME_SAMPLES);
            previousEnd = chunk.endSample;
          }
        },
      ),
    );
  });
});

describe('chunkingFor', () => {
  const SECOND = 16_000 / FRAME_SAMPLES;
  const WINDOW = { longestChunkSecond: 30, windowSecond: 30 };
  const seconds = (count: number): number => Math.round(count * SECOND);
  const lengths = (chunks: readonly SpeechChunk[]) =>
    chunks.map(({ startSample, endSample }) => (endSample - startSample) / 16_000);
  /** Phrases of `phrase` seconds with pauses of `pause` seconds between them. */
  const talk = (phrases: number, phrase: number, pause: number): number[] =>
    Array.from({ length: phrases }, () => [...speech(seconds(phrase)), ...silence(seconds(pause))]).flat();

  it('leaves engines without a window as they are', () => {
    expect(chunkingFor({ longestChunkSecond: 30 })).toEqual(DEFAULT_CHUNKING);
    expect(chunkingFor({ longestChunkSecond: 12.6 }).longestFrames).toBe(DEFAULT_CHUNKING.longestFrames);
  });

  it('fills windows: talk of two minutes takes as few as it can', () => {
    const chunks = chunksOf(talk(40, 2.6, 0.4), chunkingFor(WINDOW));
    expect(chunksOf(talk(40, 2.6, 0.4), DEFAULT_CHUNKING).length).toBeGreaterThanOrEqual(10);
    expect(chunks).toHaveLength(5);
    for (const length of lengths(chunks).slice(0, -1)) expect(length).toBeGreaterThan(24);
  });

  it('ends a full window in the first good pause, and cuts no word for it', () => {
    const probabilities = [...silence(20), ...talk(4, 4.6, 0.4), ...talk(2, 3, 0.8), ...talk(4, 4.6, 0.4)];
    for (const chunk of chunksOf(probabilities, chunkingFor(WINDOW)))
      for (const edge of [chunk.startSample, chunk.endSample - 1])
        expect(probabilities[Math.floor(edge / FRAME_SAMPLES)] ?? 0).toBeLessThan(0.5);
  });

  it('puts remarks with silence between them into one window, and parts them at a long silence', () => {
    expect(chunksOf(talk(4, 1, 3), chunkingFor(WINDOW))).toHaveLength(1);
    expect(chunksOf(talk(4, 1, 6), chunkingFor(WINDOW))).toHaveLength(4);
  });

  it('prefers a full window to a somewhat longer pause half way', () => {
    const probabilities = [
      ...speech(seconds(14)),
      ...silence(seconds(0.6)),
      ...speech(seconds(11)),
      ...silence(seconds(0.35)),
      ...speech(seconds(12)),
    ];
    const [first] = lengths(chunksOf(probabilities, chunkingFor(WINDOW)));
    expect(first).toBeGreaterThan(25);
  });

  it('gives no engine more than it takes, padding included, whatever is said', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 1, max: 700 }), fc.double({ min: 0, max: 1, noNaN: true })), {
          maxLength: 20,
        }),
        fc.constantFrom<Parameters<typeof chunkingFor>[0]>(
          WINDOW,
          { longestChunkSecond: 20, windowSecond: 30 },
          { longestChunkSecond: 8 },
        ),
        (runs, cost) => {
          const probabilities = runs.flatMap(([length, value]) => Array.from({ length }, () => value));
          for (const length of lengths(chunksOf(probabilities, chunkingFor(cost))))
            expect(length).toBeLessThanOrEqual(cost.longestChunkSecond);
        },
      ),
    );
  });
});
