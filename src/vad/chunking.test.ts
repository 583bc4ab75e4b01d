import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ChunkingOptions, DEFAULT_CHUNKING, type SpeechChunk, SpeechChunker } from './chunking.ts';
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
