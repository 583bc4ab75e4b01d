import type { Engine } from './engine.ts';

/** Opens the engine of a catalogue entry on the folder with its model files; the engine's code is loaded on use. */
export type EngineFactory = (modelDirectory: string) => Promise<Engine>;

const FACTORIES: Readonly<Record<string, () => Promise<EngineFactory>>> = {
  moonshine: async () => (await import('./moonshine/engine.ts')).openMoonshineEngine,
};

/** Throws when no engine has that name. */
export async function createEngine(name: string, modelDirectory: string): Promise<Engine> {
  const load = FACTORIES[name];
  if (load === undefined)
    throw new Error(`expected an engine of ${Object.keys(FACTORIES).join(', ')}, got ${name}`);
  const factory = await load();
  return factory(modelDirectory);
}
