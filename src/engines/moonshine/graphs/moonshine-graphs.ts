import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { cachedFolder, hashFiles } from '../../../onnx/graph/cache.ts';
import { mappedGraphKey, writeMappedGraph } from '../../../onnx/graph/mapped-graph.ts';
import {
  type Graph,
  ModelFileError,
  readModel,
  UnreadableWeightsError,
} from '../../../onnx/graph/model-file.ts';
import { buildAlignment } from './alignment.ts';
import { buildDecoderStep } from './decoder-step.ts';
import { buildEncoder } from './encoder.ts';
import {
  alignmentHeads,
  MOONSHINE_ENGLISH,
  type MoonshineDescription,
  type MoonshineShape,
  shapeOf,
} from './shape.ts';
import { readDecoderWeights, readEncoderWeights } from './weights.ts';

/**
 * The package's model (SHA-256 of its two files, one after the other): that its graphs are right is tested at length
 * (test/models/moonshine-graphs.test.ts), so that no first start has to do it.
 */
const TESTED_MODEL = 'moonshine-176929ada9b3';

/** Why a model's graphs cannot be built, kept in their place so that the next start does not try again. */
const VERDICT_FILE = 'unreadable.txt';

/** Raise it with every change to a graph: cached ones of other versions are rebuilt. */
const GRAPH_VERSION = '11';

export const ENCODER_FILE = 'encoder_model.onnx';
export const DECODER_FILE = 'decoder_model_merged.onnx';

export interface MoonshineGraphsOptions {
  /** Holds `encoder_model.onnx` and `decoder_model_merged.onnx` as their publisher ships them, in 8 bits or in floats. */
  modelDirectory: string;
  cacheDirectory: string;
  description?: MoonshineDescription;
  /** Called before the graphs are built, which takes about a second, with the name of their folder. */
  onBuild?: (name: string) => void;
  /** Whether graphs just built compute what they should; throws an UnreadableWeightsError if not. */
  check?: (graphs: MoonshineGraphs) => Promise<void>;
}

export interface MoonshineGraphs {
  /** Path of the graph made by `buildEncoder`. */
  encoder: string;
  /** Path of the graph made by `buildDecoderStep`. */
  decoderStep: string;
  /** Path of the graph made by `buildAlignment` for the description's heads; undefined when it wants none. */
  alignment?: string;
  shape: MoonshineShape;
}

/**
 * The fast graphs of a Moonshine model: found in the cache, or built from the weights in the shipped files.
 * Building holds about 150 MB, more with a check; a process that counts its memory lets a short-lived one do it.
 * @throws UnreadableWeightsError when the weights are named or stored in another way, are not of a Moonshine model, or fail the check.
 * @throws ModelFileError when a file is missing or damaged, or they are of different models.
 */
export async function moonshineGraphs(options: MoonshineGraphsOptions): Promise<MoonshineGraphs> {
  const { modelDirectory, cacheDirectory, description = MOONSHINE_ENGLISH, onBuild } = options;
  await requireFiles(modelDirectory);
  const files = [ENCODER_FILE, DECODER_FILE].map((file) => join(modelDirectory, file));
  const name = `moonshine-${(await hashFiles(...files)).slice(0, 12)}`;
  const check = name === TESTED_MODEL ? undefined : options.check;
  const folder = await cachedFolder({
    directory: cacheDirectory,
    name,
    key: [
      GRAPH_VERSION,
      mappedGraphKey(),
      JSON.stringify(description),
      ...(check === undefined ? [] : ['checked']),
    ],
    build: async (target) => {
      onBuild?.(name);
      try {
        await build(modelDirectory, description, target);
        await check?.(await graphsIn(target, description));
      } catch (error) {
        if (!(error instanceof UnreadableWeightsError)) throw error;
        for (const file of await readdir(target)) await rm(join(target, file));
        await writeFile(join(target, VERDICT_FILE), error.message);
      }
    },
  });
  const verdict = await readFile(join(folder, VERDICT_FILE), 'utf8').catch(() => undefined);
  if (verdict !== undefined) throw new UnreadableWeightsError(verdict);
  return graphsIn(folder, description);
}

async function build(modelDirectory: string, description: MoonshineDescription, target: string) {
  const decoder = await readWeights(join(modelDirectory, DECODER_FILE), readDecoderWeights);
  const encoder = await readWeights(join(modelDirectory, ENCODER_FILE), readEncoderWeights);
  const shape = shapeOf(decoder, description);
  if (encoder.hidden !== decoder.hidden)
    throw new ModelFileError(
      `${ENCODER_FILE} has a width of ${encoder.hidden} and ${DECODER_FILE} one of ${decoder.hidden}; they are of different models`,
    );
  await writeMappedGraph(buildEncoder(encoder, description), target, 'encoder');
  await writeMappedGraph(buildDecoderStep(decoder, description), target, 'decoder-step');
  const heads = alignmentHeads(decoder, description);
  if (heads.length > 0)
    await writeMappedGraph(buildAlignment(decoder, description, heads), target, 'alignment');
  await writeFile(join(target, 'shape.json'), JSON.stringify(shape));
}

async function graphsIn(folder: string, description: MoonshineDescription): Promise<MoonshineGraphs> {
  return {
    encoder: join(folder, 'encoder.onnx'),
    decoderStep: join(folder, 'decoder-step.onnx'),
    ...(description.alignment !== 'none' && { alignment: join(folder, 'alignment.onnx') }),
    // Our own file, checked by its sum.
    shape: JSON.parse(await readFile(join(folder, 'shape.json'), 'utf8')) as MoonshineShape,
  };
}

async function requireFiles(directory: string): Promise<void> {
  for (const file of [ENCODER_FILE, DECODER_FILE]) {
    const found = await stat(join(directory, file)).catch(() => undefined);
    if (found?.isFile() !== true)
      throw new ModelFileError(`the file ${file} of the model is missing; pull or import the model again`);
  }
}

/** Says which file it is that cannot be used. */
async function readWeights<Weights>(path: string, read: (graph: Graph) => Weights): Promise<Weights> {
  const explain = (Kind: typeof ModelFileError, error: unknown): unknown =>
    error instanceof ModelFileError
      ? new Kind(`${basename(path)}: ${error.message}`, { cause: error })
      : error;
  const file = await readFile(path);
  let graph: Graph;
  try {
    graph = readModel(file);
  } catch (error) {
    throw explain(ModelFileError, error);
  }
  try {
    return read(graph);
  } catch (error) {
    throw explain(UnreadableWeightsError, error);
  }
}
