import type { ModelTraits } from './capabilities.ts';
import type { Engine } from './engine.ts';

/** With what the catalogue says of the model, where the engine needs to know. */
export interface EngineOptions extends Partial<Omit<ModelTraits, 'engine'>> {
  /** The folder with the model's files. */
  readonly modelDirectory: string;
  /** Where the engine may keep what it derives from them. */
  readonly cacheDirectory: string;
  /** Told before something is derived that takes long. */
  readonly onBuild?: (name: string) => void;
  /** Told what an operator should know of how the model runs, in a sentence. */
  readonly onNotice?: (message: string) => void;
  /** Threads of one computation, for engines that compute a chunk on several; 0 or none: one a core, 8 at most. */
  readonly threads?: number | undefined;
  /** Which build of whisper.cpp computes. Default `cpu`. */
  readonly variant?: 'cpu' | 'vulkan' | 'cuda' | undefined;
}

/** Opens the engine of a catalogue entry; the engine's code is loaded on use. */
export type EngineFactory = (options: EngineOptions) => Promise<Engine>;

const FACTORIES: Readonly<Record<string, () => Promise<EngineFactory>>> = {
  moonshine: async () => (await import('./moonshine/engine.ts')).openMoonshineEngine,
  'whisper-cpp': async () => (await import('./whisper-cpp/engine.ts')).openWhisperCppEngine,
};

/** Throws when no engine has that name. */
export async function createEngine(name: string, options: EngineOptions): Promise<Engine> {
  const load = FACTORIES[name];
  if (load === undefined)
    throw new Error(`expected an engine of ${Object.keys(FACTORIES).join(', ')}, got ${name}`);
  const factory = await load();
  return factory(options);
}
