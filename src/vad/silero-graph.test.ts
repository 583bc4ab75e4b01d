import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openSession } from '../onnx/session.ts';
import { float32Data, float32Tensor, int64Tensor } from '../onnx/tensor.ts';
import { CONTEXT_SAMPLES, FRAME_SAMPLES } from './frames.ts';
import { buildSileroBlock, sileroGraph } from './silero-graph.ts';

const FRAMES = 60;
const models = createRequire(import.meta.url).resolve('@ricky0123/vad-web/dist/silero_vad_v5.onnx');

let cacheDirectory = '';
beforeAll(async () => {
  cacheDirectory = await mkdtemp(join(tmpdir(), 'steno-silero-'));
});
afterAll(() => rm(cacheDirectory, { recursive: true }));

describe('sileroGraph', () => {
  for (const version of ['v5', 'v6']) {
    const file = models.replace('v5', version);

    it(`gives the probabilities of ${version} frame by frame within 1e-4, in any blocks`, async () => {
      const audio = speechLike(FRAMES * FRAME_SAMPLES);
      const expected = await frameByFrame(file, audio);
      const graph = await sileroGraph({ modelFile: file, cacheDirectory: join(cacheDirectory, version) });
      expect(Math.max(...expected) - Math.min(...expected)).toBeGreaterThan(0.2);
      for (const blockFrames of [FRAMES, 7, 1]) {
        const got = await inBlocks(graph, audio, blockFrames);
        expect(largestDifference(got, expected)).toBeLessThan(1e-4);
      }
    });
  }

  it('refuses a file that is not Silero', async () => {
    const file = join(cacheDirectory, 'other.onnx');
    await writeFile(file, new Uint8Array([1, 2, 3]));
    await expect(sileroGraph({ modelFile: file, cacheDirectory })).rejects.toThrow('no ONNX model');
    expect(() => buildSileroBlock(new Uint8Array(0))).toThrow('no ONNX graph');
  });
});

async function frameByFrame(file: string, audio: Float32Array): Promise<number[]> {
  const session = await openSession(file);
  const sr = int64Tensor([16_000], []);
  let state = float32Tensor(new Float32Array(256), [2, 1, 128]);
  const probabilities: number[] = [];
  const padded = withContext(audio);
  for (let start = 0; start < audio.length; start += FRAME_SAMPLES) {
    const samples = padded.slice(start, start + CONTEXT_SAMPLES + FRAME_SAMPLES);
    const outputs = await session.run({ input: float32Tensor(samples, [1, samples.length]), state, sr });
    probabilities.push(...float32Data(outputs, 'output'));
    state = float32Tensor(float32Data(outputs, 'stateN'), [2, 1, 128]);
  }
  await session.release();
  return probabilities;
}

async function inBlocks(graph: string, audio: Float32Array, frames: number): Promise<number[]> {
  const session = await openSession(graph);
  let state = float32Tensor(new Float32Array(256), [2, 1, 128]);
  const probabilities: number[] = [];
  const padded = withContext(audio);
  for (let start = 0; start < audio.length; start += frames * FRAME_SAMPLES) {
    const samples = padded.slice(start, start + CONTEXT_SAMPLES + frames * FRAME_SAMPLES);
    const outputs = await session.run({ audio: float32Tensor(samples, [samples.length]), state });
    probabilities.push(...float32Data(outputs, 'probabilities'));
    state = float32Tensor(float32Data(outputs, 'next_state'), [2, 1, 128]);
  }
  await session.release();
  return probabilities;
}

function withContext(audio: Float32Array): Float32Array {
  const padded = new Float32Array(CONTEXT_SAMPLES + audio.length);
  padded.set(audio, CONTEXT_SAMPLES);
  return padded;
}

/** Silence, then a voice-like pulse train with moving formants, then silence with a little noise. */
function speechLike(length: number): Float32Array {
  let seed = 1;
  const noise = () => {
    seed = (seed * 1103515245 + 12345) % 2147483648;
    return seed / 1073741824 - 1;
  };
  return Float32Array.from({ length }, (_, i) => {
    const second = i / 16000;
    const voiced =
      i > length / 4 && i < (length * 3) / 4 ? 0.3 + 0.3 * Math.sin(2 * Math.PI * 4 * second) : 0;
    const pitch = 120 + 20 * Math.sin(2 * Math.PI * 3 * second);
    let sum = 0;
    for (let harmonic = 1; harmonic <= 20; harmonic++) {
      const formant =
        Math.exp(-(((harmonic * pitch - 600) / 300) ** 2)) +
        0.5 * Math.exp(-(((harmonic * pitch - 1500) / 300) ** 2));
      sum += formant * Math.sin(2 * Math.PI * harmonic * pitch * second);
    }
    return voiced * sum * 0.4 + 0.001 * noise();
  });
}

function largestDifference(a: readonly number[], b: readonly number[]): number {
  expect(a.length).toBe(b.length);
  return Math.max(...a.map((value, i) => Math.abs(value - (b[i] ?? Number.NaN))));
}
