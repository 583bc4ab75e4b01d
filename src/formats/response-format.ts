import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Transcript } from '../transcript.ts';
import type { CueLimits } from './cues.ts';
import { type JsonOptions, renderJson } from './json.ts';
import { renderSrt } from './srt.ts';
import { renderText } from './text.ts';
import { renderVerboseJson, type VerboseJsonOptions } from './verbose-json.ts';
import { renderVtt } from './vtt.ts';

/** Names a request may give as `response_format`. */
export const RESPONSE_FORMATS = ['json', 'text', 'srt', 'verbose_json', 'vtt'] as const;

export type ResponseFormat = (typeof RESPONSE_FORMATS)[number];

/** Each option matters to the formats that know it. */
export interface RenderOptions extends VerboseJsonOptions, JsonOptions {
  /** For srt and vtt. Default two lines of 42 characters, 7 s. */
  readonly cues?: CueLimits | undefined;
}

interface FormatRow {
  readonly contentType: string;
  /** Piece by piece where it takes long. */
  readonly render: (transcript: Transcript, options: RenderOptions) => Iterable<string>;
}

// Clients tell text from JSON by these types alone: vtt and srt go out as text/plain, JSON without a charset.
const PLAIN = 'text/plain; charset=utf-8';
const JSON_TYPE = 'application/json';

const FORMATS: Readonly<Record<ResponseFormat, FormatRow>> = {
  json: { contentType: JSON_TYPE, render: renderJson },
  text: { contentType: PLAIN, render: (transcript) => [renderText(transcript)] },
  srt: { contentType: PLAIN, render: (transcript, { cues }) => renderSrt(transcript, cues) },
  verbose_json: { contentType: JSON_TYPE, render: renderVerboseJson },
  vtt: { contentType: PLAIN, render: (transcript, { cues }) => renderVtt(transcript, cues) },
};

export interface RenderedTranscript {
  readonly contentType: string;
  readonly body: string;
}

/** A transcript as the bytes of one response format. */
export function renderTranscript(
  transcript: Transcript,
  format: ResponseFormat,
  options: RenderOptions = {},
): RenderedTranscript {
  const { contentType, render } = FORMATS[format];
  return { contentType, body: [...render(transcript, options)].join('') };
}

/** Longest work without a turn of the event loop: nobody who asks whether the server lives notices so little. */
const SLICE_MS = 10;

/** The same for a server, in UTF-8: others have their turn while a long transcript is rendered. */
export async function renderInTurns(
  transcript: Transcript,
  format: ResponseFormat,
  options: RenderOptions = {},
): Promise<{ readonly contentType: string; readonly body: Buffer }> {
  const { contentType, render } = FORMATS[format];
  const blocks: Buffer[] = [];
  let pieces: string[] = [];
  let startMs = performance.now();
  for (const piece of render(transcript, options)) {
    pieces.push(piece);
    if (performance.now() - startMs < SLICE_MS) continue;
    blocks.push(Buffer.from(pieces.join('')));
    pieces = [];
    await nextTurn();
    startMs = performance.now();
  }
  blocks.push(Buffer.from(pieces.join('')));
  return { contentType, body: blocks.length === 1 && blocks[0] ? blocks[0] : Buffer.concat(blocks) };
}
