import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { GraphBuilder, type Value } from '../onnx/graph/builder.ts';
import { cachedFolder, hashFiles } from '../onnx/graph/cache.ts';
import { mappedGraphKey, writeMappedGraph } from '../onnx/graph/mapped-graph.ts';
import { type Graph, ModelFileError, readModel, type TensorData } from '../onnx/graph/model-file.ts';
import { CONTEXT_SAMPLES, FRAME_SAMPLES } from './frames.ts';

/** Numbers in each of the LSTM's two states. */
const STATE_SIZE = 128;

/** Raise it with every change to the graph: cached ones of other versions are rebuilt. */
const GRAPH_VERSION = '2';

export interface SileroGraphOptions {
  /** `silero_vad_v5.onnx` or `silero_vad_v6.onnx` as shipped. */
  modelFile: string;
  cacheDirectory: string;
  /** Called before the graph is built. */
  onBuild?: (name: string) => void;
}

/** Path of the block graph of a shipped Silero model, built on the first call. See {@link buildSileroBlock}. */
export async function sileroGraph({
  modelFile,
  cacheDirectory,
  onBuild,
}: SileroGraphOptions): Promise<string> {
  const name = 'silero-block';
  const folder = await cachedFolder({
    directory: cacheDirectory,
    name,
    key: [GRAPH_VERSION, mappedGraphKey(), await hashFiles(modelFile)],
    build: async (target) => {
      onBuild?.(name);
      await writeMappedGraph(buildSileroBlock(await readFile(modelFile)), target, name);
    },
  });
  return join(folder, `${name}.onnx`);
}

/**
 * Silero at 16 kHz over many frames in one run, with the probabilities of frame by frame: only the LSTM carries state,
 * so all before it is computed for the whole block at once.
 *
 * In: `audio` [64 + 512 * frames], the context of the first frame and then the frames; `state` [2, 1, 128], zeros at the
 * start of a stream. Out: `probabilities` [frames] and `next_state` [2, 1, 128] for the next block, whose context is the
 * last 64 samples of this one.
 * @throws ModelFileError when the file is not Silero v5 or v6.
 */
export function buildSileroBlock(file: Uint8Array): Uint8Array {
  const weights = wideBandWeights(readModel(file));
  const graph = new GraphBuilder('silero-block');
  const audio = graph.input('audio', 'float32', ['samples']);
  const spectrum = magnitudes(graph, frameWindows(graph, audio), weights);
  const features = encode(graph, spectrum, weights);
  recur(graph, features, weights);
  return graph.build();
}

interface FloatArray {
  dims: readonly number[];
  data: Float32Array;
}

type Weights = (name: string) => FloatArray;

/** The constants of the 16 kHz branch: the one whose Fourier basis has windows of 256 samples. */
function wideBandWeights(graph: Graph): Weights {
  for (const node of graph.nodes) {
    for (const attribute of node.attributes.values()) {
      if (typeof attribute !== 'object' || !('graph' in attribute)) continue;
      const weights = branchWeights(attribute.graph);
      if (weights('stft.forward_basis_buffer').dims[2] === WINDOW_SAMPLES) return weights;
    }
  }
  throw new ModelFileError('the file holds no Silero network for 16 kHz; this version knows v5 and v6');
}

function branchWeights(branch: Graph): Weights {
  const constants = new Map<string, TensorData>();
  for (const node of branch.nodes) {
    const value = node.attributes.get('value');
    const name = node.outputs[0]?.replace(/^.*__/, '');
    if (node.operator === 'Constant' && name && typeof value === 'object' && 'bytes' in value)
      constants.set(name, value);
  }
  return (name) => {
    const found = constants.get(name);
    if (!found) throw new ModelFileError(`the file holds no weight "${name}"; it is not Silero v5 or v6`);
    return { dims: found.dims, data: new Float32Array(found.bytes.slice().buffer) };
  };
}

const WINDOW_SAMPLES = 256;
const HOP_SAMPLES = 128;
/** Fourier windows a frame, and their bins. */
const WINDOWS = 4;
const BINS = 129;

/** Each frame with its context in front and its end mirrored behind: [frames, 64 + 512 + 64]. */
function frameWindows(graph: GraphBuilder, audio: Value): Value {
  const frames = graph.reshape(graph.slice(audio, 0, CONTEXT_SAMPLES, END), -1, FRAME_SAMPLES);
  const shifted = graph.reshape(graph.slice(audio, 0, 0, -CONTEXT_SAMPLES), -1, FRAME_SAMPLES);
  const context = graph.slice(shifted, 1, 0, CONTEXT_SAMPLES);
  // Reflection leaves the last sample out: 510, 509, ... 447.
  const bounds = [FRAME_SAMPLES - 2, FRAME_SAMPLES - 2 - CONTEXT_SAMPLES, 1, -1].map((bound) =>
    graph.integers(bound),
  );
  const mirrored = graph.node('Slice', [frames, ...bounds]);
  return graph.concat([context, frames, mirrored], 1);
}

/** Short-time Fourier magnitudes: [frames, 4, 129]. */
function magnitudes(graph: GraphBuilder, windows: Value, weights: Weights): Value {
  const hops = Array.from({ length: WINDOWS }, (_, hop) =>
    graph.slice(windows, 1, hop * HOP_SAMPLES, hop * HOP_SAMPLES + WINDOW_SAMPLES),
  );
  const basis = transposed(weights('stft.forward_basis_buffer'), 2 * BINS, WINDOW_SAMPLES);
  const rows = graph.reshape(graph.concat(hops, 1), -1, WINDOW_SAMPLES);
  const complex = graph.node('MatMul', [rows, graph.floats('basis', basis, [WINDOW_SAMPLES, 2 * BINS])]);
  const [real = '', imaginary = ''] = graph.split(complex, 1, [BINS, BINS]);
  const power = graph.add(graph.multiply(real, real), graph.multiply(imaginary, imaginary));
  return graph.reshape(graph.node('Sqrt', [power]), -1, WINDOWS, BINS);
}

/** Four convolutions over the 4 windows of a frame (kernel 3, padding 1, strides 1 2 2 1) to [frames, 128]. */
function encode(graph: GraphBuilder, spectrum: Value, weights: Weights): Value {
  let value = spectrum;
  let steps = WINDOWS;
  for (const [layer, stride] of [1, 2, 2, 1].entries()) {
    const weight = weights(`encoder.${layer}.reparam_conv.weight`);
    const bias = weights(`encoder.${layer}.reparam_conv.bias`);
    const [outputs = 0, inputs = 0, kernel = 0] = weight.dims;
    const padded = graph.node('Pad', [value, graph.integers(0, 1, 0, 0, 1, 0)]);
    const outputSteps = Math.floor((steps - 1) / stride) + 1;
    const windows = Array.from({ length: outputSteps }, (_, step) =>
      graph.reshape(graph.slice(padded, 1, step * stride, step * stride + kernel), -1, 1, kernel * inputs),
    );
    const matrix = graph.floats(`conv${layer}`, tapMajor(weight), [kernel * inputs, outputs]);
    const product = graph.node('MatMul', [
      windows.length > 1 ? graph.concat(windows, 1) : (windows[0] ?? ''),
      matrix,
    ]);
    value = graph.node('Relu', [graph.add(product, graph.floats(`conv${layer}.bias`, bias.data))]);
    steps = outputSteps;
  }
  return graph.reshape(value, -1, 1, STATE_SIZE);
}

/** LSTM over the frames [frames, 1, 128] and the output layer; declares the graph's outputs. */
function recur(graph: GraphBuilder, features: Value, weights: Weights): void {
  const state = graph.input('state', 'float32', [2, 1, STATE_SIZE]);
  const initial = graph.split(state, 0, [1, 1]);
  const gates = (name: string) => onnxGateOrder(weights(`decoder.rnn.${name}`).data);
  const bias = new Float32Array(8 * STATE_SIZE);
  bias.set(gates('bias_ih'));
  bias.set(gates('bias_hh'), 4 * STATE_SIZE);
  const inputs = [
    features,
    graph.floats('rnn.input', gates('weight_ih'), [1, 4 * STATE_SIZE, STATE_SIZE]),
    graph.floats('rnn.state', gates('weight_hh'), [1, 4 * STATE_SIZE, STATE_SIZE]),
    graph.floats('rnn.bias', bias, [1, 8 * STATE_SIZE]),
    '',
    ...initial,
  ];
  const outputs = ['states', 'last_hidden', 'last_cell'];
  graph.node('LSTM', inputs, { attributes: { hidden_size: STATE_SIZE }, outputs });
  const rows = graph.node('Relu', [graph.reshape('states', -1, STATE_SIZE)]);
  const weight = graph.floats('output', weights('decoder.decoder.2.weight').data, [STATE_SIZE, 1]);
  const logit = graph.add(
    graph.node('MatMul', [rows, weight]),
    graph.floats('output.bias', weights('decoder.decoder.2.bias').data),
  );
  graph.node('Reshape', [graph.node('Sigmoid', [logit]), graph.integers(-1)], { outputs: ['probabilities'] });
  graph.output('probabilities', 'float32', ['frames']);
  graph.node('Concat', ['last_hidden', 'last_cell'], { attributes: { axis: 0 }, outputs: ['next_state'] });
  graph.output('next_state', 'float32', [2, 1, STATE_SIZE]);
}

/** PyTorch keeps the gates as input, forget, cell, output; ONNX as input, output, forget, cell. */
function onnxGateOrder(rows: Float32Array): Float32Array {
  const length = rows.length / 4;
  const ordered = new Float32Array(rows.length);
  for (const [target, source] of [0, 3, 1, 2].entries()) {
    ordered.set(rows.subarray(source * length, (source + 1) * length), target * length);
  }
  return ordered;
}

/** [rows, columns] to [columns, rows]. */
function transposed({ data }: FloatArray, rows: number, columns: number): Float32Array {
  return data.map((_, i) => data[(i % rows) * columns + Math.floor(i / rows)] ?? 0);
}

/** Convolution weight [outputs, inputs, kernel] to [kernel * inputs, outputs]. */
function tapMajor({ data, dims }: FloatArray): Float32Array {
  const [outputs = 0, inputs = 0, kernel = 0] = dims;
  return data.map((_, i) => {
    const row = Math.floor(i / outputs);
    return data[((i % outputs) * inputs + (row % inputs)) * kernel + Math.floor(row / inputs)] ?? 0;
  });
}

/** An end past the last element. */
const END = 2 ** 31 - 1;
