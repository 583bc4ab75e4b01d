import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LlamaTokenizer } from 'llama-tokenizer-js';
import { DecodedSequence } from '../../src/engines/moonshine/decoder.ts';
import { MoonshineModel } from '../../src/engines/moonshine/model.ts';
import { decodeTokens } from '../../src/engines/moonshine/tokenizer.ts';
import { REPOSITORY_ROOT } from '../accuracy/manifest.ts';
import { createStockRecognizer, type Recognizer } from '../accuracy/stock-system.ts';

const MODELS = join(REPOSITORY_ROOT, 'models', 'bundled', 'moonshine-tiny');
const CACHE = join(tmpdir(), 'stenographer', 'graphs');
const PEERS = join(REPOSITORY_ROOT, 'bench', 'peers');

/** The same two weight files, one thread, a whole clip at a time, greedy. */
export const RECOGNIZERS: Readonly<Record<string, () => Promise<Recognizer>>> = {
  ours: createOwnRecognizer,
  stock: createStockRecognizer,
  sherpa: createSherpaRecognizer,
};

export function hasPeers(): boolean {
  return existsSync(join(PEERS, 'node_modules', 'sherpa-onnx-node'));
}

/** The rebuilt graphs without voice detector and second attempts: the same work as the others do. */
async function createOwnRecognizer(): Promise<Recognizer> {
  const model = await MoonshineModel.open({ modelDirectory: MODELS, cacheDirectory: CACHE });
  const batch = model.createBatch<DecodedSequence>();
  return {
    async recognize(samples) {
      const budget = Math.max(1, Math.ceil((samples.length / 16_000) * 6));
      const sequence = new DecodedSequence({ budget, temperature: 0, minimumTokens: 0, random: Math.random });
      batch.join(sequence, await model.encode(samples));
      while (!sequence.finished)
        await batch.step(
          (key, next) => key.accept(next),
          () => false,
        );
      return decodeTokens(sequence.tokens).text;
    },
    close: () => model.close(),
  };
}

interface SherpaStream {
  acceptWaveform(wave: { sampleRate: number; samples: Float32Array }): void;
}

interface SherpaRecognizer {
  createStream(): SherpaStream;
  decode(stream: SherpaStream): void;
  getResult(stream: SherpaStream): { text: string };
}

/** sherpa-onnx-node on the same two files. Throws when bench/peers is not installed. */
async function createSherpaRecognizer(): Promise<Recognizer> {
  if (!hasPeers()) throw new Error('sherpa-onnx-node is not installed: npm ci --prefix bench/peers');
  const { OfflineRecognizer } = createRequire(join(PEERS, 'package.json'))('sherpa-onnx-node') as {
    OfflineRecognizer: new (config: object) => SherpaRecognizer;
  };
  const recognizer = new OfflineRecognizer({
    featConfig: { sampleRate: 16_000, featureDim: 80 },
    modelConfig: {
      moonshine: {
        encoder: join(MODELS, 'encoder_model.onnx'),
        mergedDecoder: join(MODELS, 'decoder_model_merged.onnx'),
      },
      tokens: tokensFile(),
      numThreads: 1,
      provider: 'cpu',
      debug: 0,
    },
  });
  return {
    async recognize(samples) {
      const stream = recognizer.createStream();
      stream.acceptWaveform({ sampleRate: 16_000, samples });
      recognizer.decode(stream);
      return recognizer.getResult(stream).text.trim();
    },
    async close() {},
  };
}

/** The vocabulary as sherpa-onnx reads it: a piece in Base64 and its id a line; special tokens fill up to the model's 32,768. */
function tokensFile(): string {
  const path = join(tmpdir(), 'stenographer', 'sherpa-tokens.txt');
  // Not the shared one, whose tables the engine lets go.
  const { vocabById } = new LlamaTokenizer();
  const lines = Array.from({ length: 32_768 }, (_, id) => {
    const piece = (vocabById[id] ?? `<<ST_${id}>>`).replaceAll('\u2581', ' ');
    return `${Buffer.from(piece).toString('base64')} ${id}\n`;
  });
  mkdirSync(join(tmpdir(), 'stenographer'), { recursive: true });
  writeFileSync(path, lines.join(''));
  return path;
}
