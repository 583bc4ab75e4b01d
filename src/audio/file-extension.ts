import { open } from 'node:fs/promises';
import type { AudioSource } from './audio.ts';
import { type Container, sniffFile } from './sniff.ts';

/** Extensions by which other services know a container; for those that the API's contract names, the contract's. */
const EXTENSIONS: Readonly<Record<Container, string>> = {
  wav: 'wav',
  mp3: 'mp3',
  mp4: 'mp4',
  flac: 'flac',
  ogg: 'ogg',
  matroska: 'webm',
  'mpeg-ps': 'mpeg',
  'mpeg-ts': 'ts',
  aac: 'aac',
  aiff: 'aiff',
  w64: 'w64',
  caf: 'caf',
  au: 'au',
  amr: 'amr',
  asf: 'wma',
  avi: 'avi',
  flv: 'flv',
  ac3: 'ac3',
  eac3: 'eac3',
  wavpack: 'wv',
};

/** The usual extension for a recording's content, without the dot; `wav` for what is not known here. */
export async function fileExtension({ path }: AudioSource): Promise<string> {
  await using file = await open(path, 'r');
  const container = await sniffFile(file);
  return container === undefined ? 'wav' : EXTENSIONS[container];
}
