import { join } from 'node:path';
import { LlamaTokenizer } from 'llama-tokenizer-js';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { decodeToSamples } from './decode-samples.ts';
import { REPOSITORY_ROOT } from './manifest.ts';
import type { System } from './systems.ts';

const GRAPHS = join(REPOSITORY_ROOT, 'node_modules/@moonshine-ai/moonshine-js/dist/model/tiny/quantized');
const LAYERS = [0, 1, 2, 3, 4, 5] as const;
const HEADS = 8;
const HEAD_SIZE = 36;
const START_TOKEN = 1;
const END_TOKEN = 2;
/** Ids from here on are special tokens, not Llama pieces. */
const PIECES = 32_000;
/** The model authors' own guard against loops. */
const TOKENS_A_SECOND = 6;
const SAMPLE_RATE = 16_000;

/**
 * The yardstick: the model's own graphs as published, each clip whole, greedy, one thread; no voice detector, no second try.
 * Nothing here comes from `src`, so that it stays what it is while the project changes.
 */
export async function createStockSystem(): Promise<System> {
  const { recognize, close } = await createStockRecognizer();
  return { name: 'stock', transcribe: async (path) => recognize(await decodeToSamples(path)), close };
}

export interface Recognizer {
  /** Text of [samples] f32 at 16 kHz. */
  recognize(samples: Float32Array): Promise<string>;
  close(): Promise<void>;
}

export async function createStockRecognizer(): Promise<Recognizer> {
  const options: InferenceSession.SessionOptions = { intraOpNumThreads: 1, interOpNumThreads: 1 };
  // Not the shared one, whose tables the engine lets go.
  const tokenizer = new LlamaTokenizer();
  const encoder = await InferenceSession.create(join(GRAPHS, 'encoder_model.onnx'), options);
  const decoder = await InferenceSession.create(join(GRAPHS, 'decoder_model_merged.onnx'), options);
  return {
    async recognize(samples) {
      const tokens = await decodeGreedily({ encoder, decoder }, samples);
      return tokenizer
        .decode(
          tokens.filter((token) => token < PIECES),
          false,
          false,
        )
        .trim();
    },
    async close() {
      await encoder.release();
      await decoder.release();
    },
  };
}

interface Graphs {
  readonly encoder: InferenceSession;
  readonly decoder: InferenceSession;
}

async function decodeGreedily(graphs: Graphs, samples: Float32Array): Promise<number[]> {
  const budget = Math.max(1, Math.ceil((samples.length / SAMPLE_RATE) * TOKENS_A_SECOND));
  const encoded = await graphs.encoder.run({
    input_values: new Tensor('float32', samples, [1, samples.length]),
  });
  const hidden = output(encoded, 'last_hidden_state');
  const cache = emptyCache();
  const tokens: number[] = [];
  for (let token = START_TOKEN, step = 0; step < budget; step += 1) {
    const cached = step > 0;
    const answer = await graphs.decoder.run({
      input_ids: new Tensor('int64', BigInt64Array.of(BigInt(token)), [1, 1]),
      encoder_hidden_states: hidden,
      use_cache_branch: new Tensor('bool', Uint8Array.of(cached ? 1 : 0), [1]),
      ...cache,
    });
    token = argmax(output(answer, 'logits').data as Float32Array);
    if (token === END_TOKEN) break;
    tokens.push(token);
    keepCache(cache, answer, cached);
  }
  return tokens;
}

type Cache = Record<string, Tensor>;

function emptyCache(): Cache {
  const empty = () => new Tensor('float32', new Float32Array(0), [1, HEADS, 0, HEAD_SIZE]);
  const names = LAYERS.flatMap((layer) =>
    ['decoder', 'encoder'].flatMap((side) => [`${layer}.${side}.key`, `${layer}.${side}.value`]),
  );
  return Object.fromEntries(names.map((name) => [`past_key_values.${name}`, empty()]));
}

/** With the cache in use the graph answers empty encoder keys and values: those of the first step stay. */
function keepCache(cache: Cache, answer: InferenceSession.OnnxValueMapType, cached: boolean): void {
  for (const name of Object.keys(cache)) {
    if (cached && name.includes('.encoder.')) continue;
    cache[name] = output(answer, name.replace('past_key_values', 'present'));
  }
}

function output(values: InferenceSession.OnnxValueMapType, name: string): Tensor {
  const value = values[name];
  if (!(value instanceof Tensor)) throw new Error(`the graph has no output ${name}`);
  return value;
}

function argmax(logits: Float32Array): number {
  let best = 0;
  for (let id = 1; id < logits.length; id += 1) if ((logits[id] ?? 0) > (logits[best] ?? 0)) best = id;
  return best;
}
