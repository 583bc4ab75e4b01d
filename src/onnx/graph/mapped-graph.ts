import { readFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { openSession } from '../session.ts';
import { keepPackedWeights } from './packed-weights.ts';

/**
 * Writes a graph as `<name>.onnx` and `<name>.data` in the form that ONNX Runtime maps instead of reading: optimised, with its
 * weights outside, and beside them the copies that most of its kernels pack for this processor. Processes with the same graph then share one
 * copy, of which only what they use is in memory. Packed copies that do not fit are noticed on load and made anew in memory.
 * Returns the path of the graph. The two files belong together under these names.
 */
export async function writeMappedGraph(graph: Uint8Array, folder: string, name: string): Promise<string> {
  const path = join(folder, `${name}.onnx`);
  const session = await openSession(graph, {
    optimizedModelFilePath: path,
    // The highest level would write this processor's layouts into the graph; for these operators it changes nothing.
    graphOptimizationLevel: 'extended',
    extra: {
      session: {
        optimized_model_external_initializers_file_name: `${name}.data`,
        optimized_model_external_initializers_min_size_in_bytes: '1024',
        save_external_prepacked_constant_initializers: '1',
      },
    },
  });
  await session.release();
  await writeFile(path, keepPackedWeights(await readFile(path), PACKED_WELL));
  return path;
}

/** Operators whose packed copies come back from the file as they were, to the last bit (test/models/moonshine-graphs.test.ts). */
const PACKED_WELL: ReadonlySet<string> = new Set([
  'DynamicQuantizeMatMul',
  'FusedMatMul',
  'LSTM',
  'MatMul',
  'MatMulIntegerToFloat',
]);

/** What mapped graphs depend on besides their content: the runtime's version and what the processor can do. */
export function mappedGraphKey(): string {
  const { version }: { version: string } = createRequire(import.meta.url)('onnxruntime-node/package.json');
  return [version, process.arch, cpus()[0]?.model ?? '', processorFlags()].join('\n');
}

function processorFlags(): string {
  try {
    return /^(?:flags|Features)\s*:.*$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[0] ?? '';
  } catch {
    // Not Linux: the model's name has to do.
    return '';
  }
}
