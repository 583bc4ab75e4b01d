import { stat } from 'node:fs/promises';
import { createStockSystem } from './stock-system.ts';

/** Something that turns a recording into text, to be scored. */
export interface System {
  readonly name: string;
  transcribe(path: string): Promise<string>;
  close(): Promise<void>;
}

/** Name on the command line -> factory. */
export const SYSTEMS: Readonly<Record<string, () => Promise<System>>> = {
  pipeline: createPipelineSystem,
  stock: createStockSystem,
};

/** The project's own path from file to text: decoder, voice detector, chunks, engine processes. No HTTP. Settings come from STENO_*. */
async function createPipelineSystem(): Promise<System> {
  const { loadConfig } = await import('../../src/config.ts');
  const { createServices } = await import('../../src/services.ts');
  const { collectTranscript } = await import('../../src/transcribe/transcriber.ts');
  const environment = { STENO_LOG_LEVEL: 'error', ...process.env };
  const services = await createServices(loadConfig({ environment }), { store: 'memory' });
  return {
    name: 'pipeline',
    async transcribe(path) {
      const { size } = await stat(path);
      const events = services.transcriber.transcribe({ path, sizeBytes: size }, { model: 'moonshine-tiny' });
      return (await collectTranscript(events)).text;
    },
    close: () => services.close(),
  };
}
