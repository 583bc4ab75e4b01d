import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { cachedFile, hashFile } from '../../../onnx/graph/cache.ts';
import { readModel } from '../../../onnx/graph/model-file.ts';
import { buildAlignment } from './alignment.ts';
import { buildDecoderStep } from './decoder-step.ts';
import { buildEncoder } from './encoder.ts';
import { MOONSHINE, type MoonshineDescription, type MoonshineShape, shapeOf } from './shape.ts';
import { readDecoderWeights, readEncoderWeights } from './weights.ts';

/** Raise it with every change to a graph: cached files of other versions are rebuilt. */
const GRAPH_VERSION = '4';

export interface MoonshineGraphsOptions {
  /** Holds `encoder_model.onnx` and `decoder_model_merged.onnx` as shipped. */
  modelDirectory: string;
  cacheDirectory: string;
  description?: MoonshineDescription;
  /** Called before a graph is built, which takes about a second, with its file name. */
  onBuild?: (name: string) => void;
}

export interface MoonshineGraphs {
  /** Path of the graph made by `buildEncoder`. */
  encoder: string;
  /** Path of the graph made by `buildDecoderStep`. */
  decoderStep: string;
  /** Path of the graph made by `buildAlignment` for the description's heads. */
  alignment: string;
  shape: MoonshineShape;
}

/**
 * The fast graphs of a Moonshine model: found in the cache, or built from the weights in the shipped files.
 * Building holds about 150 MB; a process that counts its memory lets a short-lived one do it.
 * @throws ModelFileError when a file is damaged or is not a Moonshine model.
 */
export async function moonshineGraphs(options: MoonshineGraphsOptions): Promise<MoonshineGraphs> {
  const { modelDirectory, cacheDirectory, description = MOONSHINE, onBuild } = options;
  const encoderFile = join(modelDirectory, 'encoder_model.onnx');
  const decoderFile = join(modelDirectory, 'decoder_model_merged.onnx');
  const inputs = [await hashFile(encoderFile), await hashFile(decoderFile), JSON.stringify(description)];
  const key = [GRAPH_VERSION, runtimeVersion(), ...inputs];

  const encoderWeights = once(async () => readEncoderWeights(readModel(await readFile(encoderFile))));
  const decoderWeights = once(async () => readDecoderWeights(readModel(await readFile(decoderFile))));
  const cached = (name: string, build: () => Promise<Uint8Array>) =>
    cachedFile({
      directory: cacheDirectory,
      name,
      key,
      build: () => {
        onBuild?.(name);
        return build();
      },
    });

  const encoder = await cached('moonshine-encoder.onnx', async () =>
    buildEncoder(await encoderWeights(), await decoderWeights(), description),
  );
  const decoderStep = await cached('moonshine-decoder-step.onnx', async () =>
    buildDecoderStep(await decoderWeights(), description),
  );
  const alignment = await cached('moonshine-alignment.onnx', async () =>
    buildAlignment(await decoderWeights(), description, description.alignmentHeads),
  );
  const shapeFile = await cached('moonshine-shape.json', async () =>
    new TextEncoder().encode(JSON.stringify(shapeOf(await decoderWeights(), description))),
  );
  // Our own file, checked by its sum.
  const shape = JSON.parse(await readFile(shapeFile, 'utf8')) as MoonshineShape;
  return { encoder, decoderStep, alignment, shape };
}

/** Graphs use operators of one runtime's set, so another version builds its own. */
function runtimeVersion(): string {
  const manifest: { version: string } = createRequire(import.meta.url)('onnxruntime-node/package.json');
  return manifest.version;
}

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    made ??= make();
    return made;
  };
}
