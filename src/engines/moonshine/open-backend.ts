import { ModelFileError, UnreadableWeightsError } from '../../onnx/graph/model-file.ts';
import type { MoonshineBackend } from './backend.ts';
import { compareWithPublished } from './compare-graphs.ts';
import { MoonshineModel, type MoonshineModelOptions } from './model.ts';
import { PublishedModel } from './published-model.ts';

export interface BackendOptions extends Omit<MoonshineModelOptions, 'check'> {
  /** Whether word times were promised. */
  readonly words: boolean;
  /** Told what is worth knowing of how the model runs. */
  readonly onNotice?: (message: string) => void;
}

/**
 * Opens a Moonshine model: with graphs of our own where its weights can be read and these compute the same, else with the published ones.
 * @throws ModelFileError when a file is missing or damaged, is not of a Moonshine model, or cannot give the word times promised.
 */
export async function openBackend({
  words,
  onNotice,
  modelDirectory,
  ...options
}: BackendOptions): Promise<MoonshineBackend> {
  try {
    const check = (built: MoonshineModel): Promise<void> => compareWithPublished(built, modelDirectory);
    return await MoonshineModel.open({ modelDirectory, check, ...options });
  } catch (error) {
    if (!(error instanceof UnreadableWeightsError)) throw error;
    const model = await openPublished(modelDirectory, error);
    if (words) {
      await model.close();
      throw new ModelFileError(
        `the published graphs of the model could run, but without the word times that it should give: ${error.message}`,
        { cause: error },
      );
    }
    onNotice?.(`the published graphs are run as they are, which is slower: ${error.message}`);
    return model;
  }
}

async function openPublished(modelDirectory: string, unreadable: Error): Promise<PublishedModel> {
  try {
    return await PublishedModel.open(modelDirectory);
  } catch (error) {
    if (!(error instanceof ModelFileError)) throw error;
    throw new ModelFileError(`${unreadable.message}; nor can it be run as it is: ${error.message}`, {
      cause: error,
    });
  }
}
