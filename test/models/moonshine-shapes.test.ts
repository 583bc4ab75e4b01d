import { mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Tensor } from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createEngine } from '../../src/engines/create-engine.ts';
import { EncoderOutputs } from '../../src/engines/moonshine/encoder-outputs.ts';
import { buildDecoderStep } from '../../src/engines/moonshine/graphs/decoder-step.ts';
import { buildEncoder } from '../../src/engines/moonshine/graphs/encoder.ts';
import { encoderFrames, encoderInput } from '../../src/engines/moonshine/graphs/encoder-input.ts';
import { KvCache } from '../../src/engines/moonshine/graphs/kv-cache.ts';
import {
  alignmentHeads,
  MOONSHINE,
  MOONSHINE_ENGLISH,
  shapeOf,
} from '../../src/engines/moonshine/graphs/shape.ts';
import { readDecoderWeights, readEncoderWeights } from '../../src/engines/moonshine/graphs/weights.ts';
import { MoonshineModel } from '../../src/engines/moonshine/model.ts';
import { readModel } from '../../src/onnx/graph/model-file.ts';
import { openSession } from '../../src/onnx/session.ts';
import { float32Data, float32Tensor, makeTensor } from '../../src/onnx/tensor.ts';
import { type MoonshineSizes, writeMoonshineFiles } from '../support/moonshine-files.ts';
import { MoonshineReference } from '../support/moonshine-reference.ts';

/**
 * Models of other sizes than Moonshine tiny, with random weights in the publisher's format: the same code builds their graphs, and these
 * compute what the network in plain loops does. In floats exactly; in 8 bits as near as rounding lets it.
 */
const SIZES: Readonly<Record<string, MoonshineSizes>> = {
  'narrower, with fewer layers': {
    hidden: 64,
    heads: 8,
    encoderLayers: 2,
    decoderLayers: 3,
    inner: 80,
    vocabulary: 60,
    rotaryPairs: 2,
  },
  'heads as wide as in Moonshine base, more layers': {
    hidden: 416,
    heads: 8,
    encoderLayers: 1,
    decoderLayers: 2,
    inner: 1664,
    vocabulary: 90,
    rotaryPairs: 16,
  },
};
/** Relative root mean square. */
const FLOAT_TOLERANCE = 1e-4;
const FAST_TOLERANCE = 0.08;
const TOKENS = [1, 7, 42, 3, 11];

let directory = '';
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'steno-shapes-'));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

for (const [name, sizes] of Object.entries(SIZES))
  for (const kind of ['quantized', 'float'] as const)
    describe(`Moonshine ${name}, files ${kind}`, () => {
      let folder = '';
      let reference: MoonshineReference;
      const samples = sound(9000);
      let states: Float64Array;
      let expected: ReturnType<MoonshineReference['decode']>;
      beforeAll(async () => {
        folder = join(directory, `${sizes.hidden}-${kind}`);
        reference = new MoonshineReference(sizes, await writeMoonshineFiles(folder, sizes, kind));
        states = reference.encode(samples);
        expected = reference.decode(states, TOKENS);
      });

      // Float files are rounded to 8 bits when they are read, so exactness shows with files that are in 8 bits already.
      if (kind === 'quantized')
        it('gives in floats exactly what the network is', async () => {
          const encoder = readEncoderWeights(readModel(await readFile(join(folder, 'encoder_model.onnx'))));
          const decoder = readDecoderWeights(
            readModel(await readFile(join(folder, 'decoder_model_merged.onnx'))),
          );
          const session = await openSession(buildEncoder(encoder, MOONSHINE, { precision: 'float' }));
          const { data, dims } = encoderInput(samples);
          const outputs = new EncoderOutputs(encoder.hidden);
          const frames = encoderFrames(samples.length);
          await session.run({ audio: float32Tensor(data, dims) }, outputs.tensors(frames));
          const speech = outputs.speech(frames);
          const encoded = speech.states;
          expect(relativeError(encoded, states)).toBeLessThan(FLOAT_TOLERANCE);
          const step = await openSession(buildDecoderStep(decoder, MOONSHINE, { precision: 'float' }));
          const cache = new KvCache<number, Tensor>(shapeOf(decoder, MOONSHINE), makeTensor);
          cache.join(0, speech, TOKENS[0] ?? 0);
          for (const [i, row] of expected.logits.entries()) {
            const { speech_turned: _turned, speech_unit: _unit, ...feeds } = cache.feeds();
            const frames = feeds.speech?.dims[1] ?? 0;
            const padded = new Float32Array(frames * sizes.hidden);
            padded.set(encoded);
            const inFloats = float32Tensor(padded, [1, frames, sizes.hidden]);
            const outputs = await step.run({ ...feeds, speech: inFloats });
            expect(relativeError(float32Data(outputs, 'logits'), row)).toBeLessThan(FLOAT_TOLERANCE);
            cache.advance(0, TOKENS[i + 1] ?? 0, float32Data(outputs, 'fresh'));
          }
          await session.release();
          await step.release();
        });

      it('runs fast with little error, and hears where the network listens', async () => {
        const model = await MoonshineModel.open({
          modelDirectory: folder,
          cacheDirectory: join(directory, 'cache'),
          description: MOONSHINE,
        });
        const speech = await model.encode(samples);
        expect(relativeError(speech.states, states)).toBeLessThan(FAST_TOLERANCE);
        const batch = model.createBatch<number>();
        batch.join(0, speech);
        for (const [i, row] of expected.logits.entries())
          await batch.step(
            (_, { logits = new Float32Array(0) }) => {
              expect(relativeError(logits, row)).toBeLessThan(FAST_TOLERANCE);
              return { token: TOKENS[i + 1] ?? 0 };
            },
            () => true,
          );
        const { weights, rows, frames } = await model.align(speech, TOKENS.slice(1));
        const upper = expected.attention.slice(Math.floor(sizes.decoderLayers / 2)).flat();
        expect(weights.length).toBe(upper.length * rows * frames);
        expect(relativeError(weights, Float64Array.from(upper.flatMap((head) => [...head])))).toBeLessThan(
          FAST_TOLERANCE,
        );
        await model.close();
      });
    });

describe('a model that is not Moonshine tiny', () => {
  const sizes = SIZES['narrower, with fewer layers'] as MoonshineSizes;

  it('takes word times from the upper half of its layers, not from the heads that were measured in another', async () => {
    const folder = join(directory, 'heads');
    await writeMoonshineFiles(folder, sizes, 'quantized');
    const weights = readDecoderWeights(readModel(await readFile(join(folder, 'decoder_model_merged.onnx'))));
    const heads = alignmentHeads(weights, MOONSHINE_ENGLISH);
    expect([...new Set(heads.map(({ layer }) => layer))]).toEqual([1, 2]);
    expect(heads).toHaveLength(16);
    expect(alignmentHeads(weights, { ...MOONSHINE, alignment: 'none' })).toEqual([]);
  });

  it('has the languages and abilities of its catalogue entry', async () => {
    const folder = join(directory, 'abilities');
    await writeMoonshineFiles(folder, sizes, 'float');
    const abilities = { translate: false, words: false, prompt: true };
    const options = {
      modelDirectory: folder,
      cacheDirectory: join(directory, 'cache'),
      languages: ['ja'],
      abilities,
    };
    const engine = await createEngine('moonshine', options);
    expect(engine.capabilities).toMatchObject({ languages: ['ja'], words: false });
    await engine.close();
  });

  it('says which file is missing, damaged, or of another model', async () => {
    const folder = join(directory, 'damaged');
    const open = () =>
      createEngine('moonshine', { modelDirectory: folder, cacheDirectory: join(directory, 'cache') });
    await expect(open()).rejects.toThrow('the file encoder_model.onnx of the model is missing');
    await writeMoonshineFiles(folder, sizes, 'quantized');
    const decoder = join(folder, 'decoder_model_merged.onnx');
    const whole = await readFile(decoder);
    await truncate(decoder, whole.length - 100);
    await expect(open()).rejects.toThrow('decoder_model_merged.onnx: the file is damaged');
    await writeFile(decoder, await readFile(join(folder, 'encoder_model.onnx')));
    await expect(open()).rejects.toThrow(
      /decoder_model_merged.onnx: the file holds no weight .* not a Moonshine model/,
    );
    await writeMoonshineFiles(join(directory, 'wider'), { ...sizes, hidden: 96 }, 'quantized');
    await writeFile(decoder, await readFile(join(directory, 'wider', 'decoder_model_merged.onnx')));
    await expect(open()).rejects.toThrow('they are of different models');
    await writeFile(decoder, whole);
    await (await open()).close();
  });
});

/** A sweep with syllables. */
function sound(length: number): Float32Array {
  return Float32Array.from(
    { length },
    (_, i) => 0.3 * Math.sin(i * 0.02 + (i * i) / 90_000) * (0.6 + 0.4 * Math.sin(i / 700)),
  );
}

/** Root mean square of the difference over that of `reference`. */
function relativeError(values: Float32Array, reference: Float64Array): number {
  expect(values.length).toBe(reference.length);
  const difference = values.reduce((sum, value, i) => sum + (value - (reference[i] ?? 0)) ** 2, 0);
  return Math.sqrt(difference / reference.reduce((sum, value) => sum + value ** 2, 0));
}
