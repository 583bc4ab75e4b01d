import type { Engine } from './engine.ts';

export interface EngineOptions {
  /** The folder with the model's files. */
  readonly modelDirectory: string;
  /** Where the engine may keep what it derives from them. */
  readonly cacheDirectory: string;
  /** Told before something is derived that takes long. */
  readonly onBuild?: (name: string) => void;
}

/** Opens the engine of a catalogue entry; the engine's code is loaded on use. */
export type EngineFactory = (options: EngineOptions) => Promise<Engine>;

const FACTORIES: Readonly<Record<string, () => Promise<EngineFactory>>> = {
  moonshine: async () => (await import('./moonshine/engine.ts')).openMoonshineEngine,
};

/** Throws when no engine has that name. */
export async function createEngine(name: string, options: EngineOptions): Promise<Engine> {
  const load = FACTORIES[name];
  if (load === undefined)
    throw new Error(`expected an engine of ${Object.keys(FACTORIES).join(', ')}, got ${name}`);
  const factory = await load();
  return factory(options);
}
