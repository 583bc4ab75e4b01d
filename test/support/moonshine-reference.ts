import { type MoonshineSizes, type NamedWeights, STEM } from './moonshine-files.ts';

/** Numbers in rows of `width`. */
interface Matrix {
  readonly width: number;
  readonly data: Float64Array;
}

/**
 * The network in plain loops and double precision, operation by operation as its authors describe it
 * (https://arxiv.org/abs/2410.15608): slow, and written to be read.
 */
export class MoonshineReference {
  readonly #sizes: MoonshineSizes;
  readonly #weights: NamedWeights;

  constructor(sizes: MoonshineSizes, weights: NamedWeights) {
    this.#sizes = sizes;
    this.#weights = weights;
  }

  /** Samples at 16 kHz to the encoder's states [frames, hidden]. */
  encode(samples: Float32Array): Float64Array {
    const { hidden, encoderLayers } = this.#sizes;
    let state: Matrix = { width: 1, data: Float64Array.from(samples) };
    for (const { name, kernel, stride, outputs } of STEM) {
      state = this.#convolve(name, state, kernel, stride, outputs * hidden);
      state = name === 'conv1' ? this.#groupNorm(map(state, Math.tanh)) : map(state, gelu);
    }
    for (let layer = 0; layer < encoderLayers; layer += 1) {
      const own = `layers.${layer}`;
      const normed = this.#norm(state, `${own}.input_layernorm.weight`);
      state = add(
        state,
        this.#attend(`/${own}/self_attn`, normed, normed, { rotary: '/rotary_emb/Cast_1_output_0' }).output,
      );
      const inner = this.#product(
        `/${own}/mlp/fc1`,
        this.#norm(state, `${own}.post_attention_layernorm.weight`),
        `${own}.mlp.fc1.bias`,
      );
      state = add(state, this.#product(`/${own}/mlp/fc2`, map(inner, gelu), `${own}.mlp.fc2.bias`));
    }
    return this.#norm(state, 'layer_norm.weight').data;
  }

  /** What follows each of `tokens`: logits [tokens, vocabulary], and cross-attention weights [layers, heads, tokens, frames]. */
  decode(
    states: Float64Array,
    tokens: readonly number[],
  ): { logits: Float64Array[]; attention: Float64Array[][] } {
    const { hidden, decoderLayers, vocabulary } = this.#sizes;
    const table = this.#get('model.decoder.embed_tokens.weight_merged_0');
    const speech: Matrix = { width: hidden, data: states };
    let state: Matrix = {
      width: hidden,
      data: Float64Array.from(
        tokens.flatMap((token) => [...table.subarray(token * hidden, (token + 1) * hidden)]),
      ),
    };
    const attention: Float64Array[][] = [];
    for (let layer = 0; layer < decoderLayers; layer += 1) {
      const own = `model.decoder.layers.${layer}`;
      const path = `/model/decoder/layers.${layer}`;
      const normed = this.#norm(state, `${own}.input_layernorm.weight_merged_0`);
      const rotary = '/model/decoder/rotary_emb/Cast_1_output_0';
      state = add(state, this.#attend(`${path}/self_attn`, normed, normed, { rotary, causal: true }).output);
      const asked = this.#norm(state, `${own}.post_attention_layernorm.weight_merged_0`);
      const heard = this.#attend(`${path}/encoder_attn`, asked, speech, {});
      attention.push(heard.weights);
      state = add(state, heard.output);
      state = add(state, this.#gatedMlp(layer, this.#norm(state, `${own}.final_layernorm.weight_merged_0`)));
    }
    const last = this.#norm(state, 'model.decoder.norm.weight_merged_0');
    const logits = rowsOf(last).map((row) =>
      Float64Array.from({ length: vocabulary }, (_, token) =>
        dot(row, table.subarray(token * hidden, (token + 1) * hidden)),
      ),
    );
    return { logits, attention };
  }

  /** up gives [value, gate]; value x SiLU(gate); down. */
  #gatedMlp(layer: number, input: Matrix): Matrix {
    const { inner } = this.#sizes;
    const own = `model.decoder.layers.${layer}.mlp`;
    const path = `/model/decoder/layers.${layer}/mlp`;
    const up = this.#product(`${path}/up_proj`, input, `${own}.up_proj.bias_merged_0`);
    const rows = rowsOf(up).map((row) =>
      Array.from({ length: inner }, (_, i) => (row[i] ?? 0) * silu(row[inner + i] ?? 0)),
    );
    return this.#product(
      `${path}/down_proj`,
      { width: inner, data: Float64Array.from(rows.flat()) },
      `${own}.down_proj.bias_merged_0`,
    );
  }

  #attend(
    name: string,
    asking: Matrix,
    asked: Matrix,
    { rotary, causal = false }: { rotary?: string; causal?: boolean },
  ) {
    const { hidden, heads } = this.#sizes;
    const size = hidden / heads;
    const turn = (matrix: Matrix): Matrix => (rotary === undefined ? matrix : this.#rotate(matrix, rotary));
    const query = rowsOf(turn(this.#product(`${name}/q_proj`, asking)));
    const keys = rowsOf(turn(this.#product(`${name}/k_proj`, asked)));
    const values = rowsOf(this.#product(`${name}/v_proj`, asked));
    const mixed = new Float64Array(query.length * hidden);
    const weights = Array.from({ length: heads }, (_, head) => {
      const part = (row: Float64Array): Float64Array => row.subarray(head * size, (head + 1) * size);
      return Float64Array.from(
        query.flatMap((row, at) => {
          const scores = keys.map((key, place) =>
            causal && place > at ? Number.NEGATIVE_INFINITY : dot(part(row), part(key)) / Math.sqrt(size),
          );
          const shares = softmax(scores);
          for (const [place, share] of shares.entries())
            for (let i = 0; i < size; i += 1) {
              const target = at * hidden + head * size + i;
              mixed[target] = (mixed[target] ?? 0) + share * (values[place]?.[head * size + i] ?? 0);
            }
          return shares;
        }),
      );
    });
    return { weights, output: this.#product(`${name}/dense`, { width: hidden, data: mixed }) };
  }

  /** Neighbouring pairs in the first dimensions of each head are turned by position x frequency. */
  #rotate(matrix: Matrix, name: string): Matrix {
    const { hidden, heads } = this.#sizes;
    const frequencies = this.#get(name);
    const turned = matrix.data.slice();
    for (let row = 0; row < turned.length / hidden; row += 1)
      for (let head = 0; head < heads; head += 1)
        for (const [pair, frequency] of frequencies.entries()) {
          const first = row * hidden + head * (hidden / heads) + 2 * pair;
          const [x, y] = [turned[first] ?? 0, turned[first + 1] ?? 0];
          const [cos, sin] = [Math.cos(row * frequency), Math.sin(row * frequency)];
          turned[first] = x * cos - y * sin;
          turned[first + 1] = y * cos + x * sin;
        }
    return { width: hidden, data: turned };
  }

  #convolve(name: string, { width, data }: Matrix, kernel: number, stride: number, outputs: number): Matrix {
    const weight = this.#get(name);
    const bias = this.#weights.get(`${name}.bias`);
    const count = Math.floor((data.length / width - kernel) / stride) + 1;
    const result = new Float64Array(count * outputs);
    for (let at = 0; at < count; at += 1)
      for (let output = 0; output < outputs; output += 1) {
        let sum = bias?.[output] ?? 0;
        for (let tap = 0; tap < kernel; tap += 1)
          for (let input = 0; input < width; input += 1)
            sum +=
              (data[(at * stride + tap) * width + input] ?? 0) *
              (weight[(output * width + input) * kernel + tap] ?? 0);
        result[at * outputs + output] = sum;
      }
    return { width: outputs, data: result };
  }

  /** One group: mean and deviation over the whole utterance. */
  #groupNorm({ width, data }: Matrix): Matrix {
    const [gain, offset] = [this.#get('groupnorm.gain'), this.#get('groupnorm.offset')];
    const normal = normalise(data);
    return {
      width,
      data: normal.map((value, i) => value * (gain[i % width] ?? 0) + (offset[i % width] ?? 0)),
    };
  }

  #norm(matrix: Matrix, name: string): Matrix {
    const gain = this.#get(name);
    const rows = rowsOf(matrix).map((row) => normalise(row).map((value, i) => value * (gain[i] ?? 0)));
    return { width: matrix.width, data: Float64Array.from(rows.flatMap((row) => [...row])) };
  }

  #product(name: string, input: Matrix, biasName?: string): Matrix {
    const matrix = this.#get(name);
    const bias = biasName === undefined ? undefined : this.#get(biasName);
    const columns = matrix.length / input.width;
    const rows = rowsOf(input).map((row) => {
      const sums = Float64Array.from({ length: columns }, (_, column) => bias?.[column] ?? 0);
      for (const [i, value] of row.entries())
        for (let column = 0; column < columns; column += 1)
          sums[column] = (sums[column] ?? 0) + value * (matrix[i * columns + column] ?? 0);
      return sums;
    });
    return { width: columns, data: Float64Array.from(rows.flatMap((row) => [...row])) };
  }

  #get(name: string): Float32Array {
    const found = this.#weights.get(name);
    if (found === undefined) throw new Error(`no weight ${name}`);
    return found;
  }
}

function rowsOf({ width, data }: Matrix): Float64Array[] {
  return Array.from({ length: data.length / width }, (_, row) =>
    data.subarray(row * width, (row + 1) * width),
  );
}

const map = ({ width, data }: Matrix, change: (value: number) => number): Matrix => ({
  width,
  data: data.map(change),
});
const add = (a: Matrix, b: Matrix): Matrix => ({
  width: a.width,
  data: a.data.map((value, i) => value + (b.data[i] ?? 0)),
});

function dot(a: Float64Array, b: Float32Array | Float64Array): number {
  let sum = 0;
  for (const [i, value] of a.entries()) sum += value * (b[i] ?? 0);
  return sum;
}

function normalise(values: Float64Array): Float64Array {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
  return values.map((value) => (value - mean) / Math.sqrt(variance + 1e-5));
}

function softmax(scores: readonly number[]): number[] {
  const most = Math.max(...scores);
  const powers = scores.map((score) => Math.exp(score - most));
  const sum = powers.reduce((total, power) => total + power, 0);
  return powers.map((power) => power / sum);
}

const silu = (x: number): number => x / (1 + Math.exp(-x));
const gelu = (x: number): number => (x / 2) * (1 + erf(x / Math.SQRT2));

/** Numerical integral of the bell curve (Simpson, 200 steps): exact to 1e-9 where it is not yet 1. */
function erf(x: number): number {
  if (Math.abs(x) > 5) return Math.sign(x);
  const steps = 200;
  const width = x / steps;
  let sum = 1 + Math.exp(-x * x);
  for (let i = 1; i < steps; i += 1) sum += (i % 2 === 1 ? 4 : 2) * Math.exp(-((i * width) ** 2));
  return (2 / Math.sqrt(Math.PI)) * (width / 3) * sum;
}
