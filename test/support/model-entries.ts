import { createHash } from 'node:crypto';
import type { ModelEntry, ModelFile } from '../../src/models/catalog.ts';
import type { FakeHub } from './fake-hub.ts';

export const TEST_REVISION = 'c'.repeat(40);

export interface HubModel {
  readonly id: string;
  /** By name; they lie at `weights/<name>` in the repository. */
  readonly files: Readonly<Record<string, Buffer>>;
  /** What the catalogue knows of them. Default nothing but a rounded size. */
  readonly known?: 'nothing' | 'sha256' | 'sha1';
  readonly change?: Partial<ModelEntry>;
}

/** A catalogue's entry whose files a fake hub has. */
export function hubModel(hub: Pick<FakeHub, 'put'> | undefined, model: HubModel): ModelEntry {
  const repo = `acme/${model.id.replace(/\W/g, '-')}`;
  for (const [name, bytes] of Object.entries(model.files))
    hub?.put(repo, TEST_REVISION, `weights/${name}`, { bytes, inGit: bytes.length < 1000 });
  return {
    id: model.id,
    title: model.id,
    aliases: [],
    engine: 'whisper-cpp',
    architecture: 'whisper',
    bundled: false,
    created: 1_700_000_000,
    ownedBy: 'acme',
    licence: 'MIT',
    languages: ['en', 'de'],
    abilities: { translate: true, words: true, prompt: true },
    memoryBytes: 100_000_000,
    memoryFrom: 'estimate',
    speed: 'fast',
    facts: [],
    source: { hub: 'huggingface', repo, revision: TEST_REVISION },
    files: Object.entries(model.files).map(([name, bytes]) => fileOf(name, bytes, model.known ?? 'nothing')),
    ...model.change,
  } as ModelEntry;
}

function fileOf(name: string, bytes: Buffer, known: NonNullable<HubModel['known']>): ModelFile {
  const hash = (algorithm: string) => createHash(algorithm).update(bytes).digest('hex');
  return {
    name,
    path: `weights/${name}`,
    approximateBytes: Math.round(bytes.length * 1.01),
    ...(known === 'sha256' ? { sizeBytes: bytes.length, sha256: hash('sha256') } : {}),
    ...(known === 'sha1' ? { sha1: hash('sha1') } : {}),
  };
}

/** Bytes that pass for a ggml file where only the beginning is looked at: the magic and the header of a small multilingual Whisper. */
export function ggmlBytes(sizeBytes: number, seed = 1): Buffer {
  const bytes = Buffer.alloc(sizeBytes);
  for (let index = 0; index + 4 <= sizeBytes; index += 4)
    bytes.writeUInt32LE((index * 2_654_435_761 + seed) >>> 0, index);
  const header = [0x67676d6c, 51_865, 1500, 384, 6, 4, 448, 384, 6, 4, 80, 1];
  for (const [index, value] of header.entries()) bytes.writeUInt32LE(value, index * 4);
  return bytes;
}
